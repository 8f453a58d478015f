"""CatalogService."""

import asyncio

from palate.catalog.snapshot import Catalog
from palate.errors import NotFound
from palate.rpc.convert import track_message
from palate.rpc.interceptor import CallContext
from palate.serving.fields import PageTokens, identifier, optional_identifier, page_size, text
from palate.v1 import catalog_pb2, catalog_pb2_grpc

__all__ = ["CatalogServicer"]

_MAX_QUERY_BYTES = 256


class CatalogServicer(catalog_pb2_grpc.CatalogServiceServicer):
    """Reads the catalog."""

    def __init__(self, catalog: Catalog, tokens: PageTokens) -> None:
        self._catalog = catalog
        self._tokens = tokens

    async def GetTrack(
        self,
        request: catalog_pb2.GetTrackRequest,
        context: CallContext,
    ) -> catalog_pb2.GetTrackResponse:
        """Return one track."""
        row = self._catalog.row(identifier("track_id", request.track_id))
        if row is None:
            raise NotFound("track", request.track_id)
        return catalog_pb2.GetTrackResponse(
            track=track_message(self._catalog.track(row)), catalog_version=self._catalog.version
        )

    async def SearchTracks(
        self,
        request: catalog_pb2.SearchTracksRequest,
        context: CallContext,
    ) -> catalog_pb2.SearchTracksResponse:
        """Find tracks by words."""
        query = text("query", request.query, _MAX_QUERY_BYTES)
        cluster_id = optional_identifier("genre_cluster_id", request.genre_cluster_id)
        if cluster_id and self._catalog.cluster_number(cluster_id) is None:
            raise NotFound("genre_cluster", cluster_id)
        size = page_size(request.page_size)
        binding = ("search", self._catalog.version, query, cluster_id)
        offset = self._offset(binding, request.page_token)
        rows, more = await asyncio.to_thread(
            self._catalog.search, query, size, offset=offset, cluster_id=cluster_id or None
        )
        return catalog_pb2.SearchTracksResponse(
            tracks=[track_message(self._catalog.track(row)) for row in rows.tolist()],
            next_page_token=self._token(binding, offset + len(rows)) if more else "",
            catalog_version=self._catalog.version,
        )

    async def ListGenreClusters(
        self,
        request: catalog_pb2.ListGenreClustersRequest,
        context: CallContext,
    ) -> catalog_pb2.ListGenreClustersResponse:
        """List the genre clusters."""
        size = page_size(request.page_size, default=100)
        binding = ("genre clusters", self._catalog.version)
        offset = self._offset(binding, request.page_token)
        order = sorted(range(len(self._catalog.clusters)), key=lambda n: self._catalog.clusters[n].cluster_id)
        end = offset + size
        return catalog_pb2.ListGenreClustersResponse(
            genre_clusters=[self._cluster(number) for number in order[offset:end]],
            next_page_token=self._token(binding, end) if end < len(order) else "",
            catalog_version=self._catalog.version,
        )

    def _cluster(self, number: int) -> catalog_pb2.GenreCluster:
        cluster = self._catalog.clusters[number]
        return catalog_pb2.GenreCluster(
            genre_cluster_id=cluster.cluster_id,
            display_name=cluster.display_name,
            genres=self._catalog.genres_of_cluster(number),
            track_count=self._catalog.track_counts[number],
            excluded=cluster.excluded,
        )

    def _offset(self, binding: tuple[str, ...], token: str) -> int:
        return int.from_bytes(self._tokens.open(binding, token)) if token else 0

    def _token(self, binding: tuple[str, ...], offset: int) -> str:
        return self._tokens.seal(binding, offset.to_bytes(8))
