"""The services of the public contract by their names, as health and reflection know them."""

from typing import Final

from palate.v1 import catalog_pb2, feedback_pb2, model_pb2, profile_pb2, recommendation_pb2, strategy_pb2

__all__ = ["SERVICES"]

SERVICES: Final[tuple[str, ...]] = tuple(
    service.full_name
    for contract in (catalog_pb2, feedback_pb2, model_pb2, profile_pb2, recommendation_pb2, strategy_pb2)
    for service in contract.DESCRIPTOR.services_by_name.values()
)
"""Full names of palate's services."""
