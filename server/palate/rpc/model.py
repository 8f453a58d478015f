"""ModelService."""

from palate.errors import InvalidField, NotFound
from palate.rpc.fields import identifier, optional_identifier, page_size
from palate.rpc.threads import CallContext
from palate.v1 import model_pb2, model_pb2_grpc

__all__ = ["ModelServicer"]


class ModelServicer(model_pb2_grpc.ModelServiceServicer):
    """Looks after the models. No recipe makes any yet, so that lists are empty and names are not found."""

    async def ListModels(
        self,
        request: model_pb2.ListModelsRequest,
        context: CallContext,
    ) -> model_pb2.ListModelsResponse:
        """List models."""
        optional_identifier("user_id", request.user_id)
        optional_identifier("taste_id", request.taste_id)
        _first_page(request.page_size, request.page_token)
        return model_pb2.ListModelsResponse()

    async def GetModel(
        self,
        request: model_pb2.GetModelRequest,
        context: CallContext,
    ) -> model_pb2.GetModelResponse:
        """Return one model."""
        raise NotFound("model", identifier("model_version", request.model_version))

    async def RollbackModel(
        self,
        request: model_pb2.RollbackModelRequest,
        context: CallContext,
    ) -> model_pb2.RollbackModelResponse:
        """Move a taste back to an earlier model."""
        user_id, taste_id = identifier("user_id", request.user_id), identifier("taste_id", request.taste_id)
        version = optional_identifier("model_version", request.model_version)
        raise NotFound("model", version or f"{user_id}/{taste_id}")

    async def PinModel(
        self,
        request: model_pb2.PinModelRequest,
        context: CallContext,
    ) -> model_pb2.PinModelResponse:
        """Pin or unpin a model."""
        raise NotFound("model", identifier("model_version", request.model_version))

    async def ListTrainingRuns(
        self,
        request: model_pb2.ListTrainingRunsRequest,
        context: CallContext,
    ) -> model_pb2.ListTrainingRunsResponse:
        """List runs of the trainer."""
        optional_identifier("user_id", request.user_id)
        _first_page(request.page_size, request.page_token)
        return model_pb2.ListTrainingRunsResponse()


def _first_page(size: int, token: str) -> None:
    page_size(size)
    if token:
        raise InvalidField("page_token", "is not a token that this server gave; leave it empty")
