"""ModelService."""

import asyncio

from palate.rpc.convert import model_message, training_run_message
from palate.rpc.interceptor import CallContext
from palate.serving.fields import identifier, optional_identifier, page_size
from palate.serving.models import ModelService
from palate.v1 import model_pb2, model_pb2_grpc

__all__ = ["ModelServicer"]


class ModelServicer(model_pb2_grpc.ModelServiceServicer):
    """Looks after the models."""

    def __init__(self, models: ModelService) -> None:
        self._models = models

    async def ListModels(
        self,
        request: model_pb2.ListModelsRequest,
        context: CallContext,
    ) -> model_pb2.ListModelsResponse:
        """List models."""
        user_id = optional_identifier("user_id", request.user_id)
        taste_id = optional_identifier("taste_id", request.taste_id)
        size = page_size(request.page_size)
        page = await asyncio.to_thread(self._models.models, user_id, taste_id, size, request.page_token)
        return model_pb2.ListModelsResponse(
            models=[model_message(record) for record in page.items], next_page_token=page.next_page_token
        )

    async def GetModel(
        self,
        request: model_pb2.GetModelRequest,
        context: CallContext,
    ) -> model_pb2.GetModelResponse:
        """Return one model."""
        version = identifier("model_version", request.model_version)
        record = await asyncio.to_thread(self._models.model, version)
        return model_pb2.GetModelResponse(model=model_message(record))

    async def ExportModel(
        self,
        request: model_pb2.ExportModelRequest,
        context: CallContext,
    ) -> model_pb2.ExportModelResponse:
        """Return the file of a model."""
        version = identifier("model_version", request.model_version)
        return model_pb2.ExportModelResponse(onnx=await asyncio.to_thread(self._models.onnx, version))

    async def RollbackModel(
        self,
        request: model_pb2.RollbackModelRequest,
        context: CallContext,
    ) -> model_pb2.RollbackModelResponse:
        """Move a taste back to an earlier model."""
        user_id = identifier("user_id", request.user_id)
        taste_id = optional_identifier("taste_id", request.taste_id)
        version = optional_identifier("model_version", request.model_version)
        record = await asyncio.to_thread(self._models.roll_back, user_id, taste_id, version)
        return model_pb2.RollbackModelResponse(model=model_message(record))

    async def PinModel(
        self,
        request: model_pb2.PinModelRequest,
        context: CallContext,
    ) -> model_pb2.PinModelResponse:
        """Pin or unpin a model."""
        version = identifier("model_version", request.model_version)
        record = await asyncio.to_thread(self._models.pin, version, pinned=request.pinned)
        return model_pb2.PinModelResponse(model=model_message(record))

    async def ListTrainingRuns(
        self,
        request: model_pb2.ListTrainingRunsRequest,
        context: CallContext,
    ) -> model_pb2.ListTrainingRunsResponse:
        """List runs of the trainer."""
        user_id = optional_identifier("user_id", request.user_id)
        size = page_size(request.page_size)
        page = await asyncio.to_thread(self._models.runs, user_id, size, request.page_token)
        return model_pb2.ListTrainingRunsResponse(
            training_runs=[training_run_message(run) for run in page.items], next_page_token=page.next_page_token
        )
