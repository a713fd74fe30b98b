"""The JSON shapes of the contract, as pydantic models; unknown request fields are errors."""

from web.api.schemas.base import (
    FieldProblem as FieldProblem,
)
from web.api.schemas.base import (
    Problem as Problem,
)
from web.api.schemas.base import (
    Request as Request,
)
from web.api.schemas.catalogs import (
    Catalog as Catalog,
)
from web.api.schemas.catalogs import (
    CatalogList as CatalogList,
)
from web.api.schemas.catalogs import (
    CatalogSettings as CatalogSettings,
)
from web.api.schemas.catalogs import (
    Duplicate as Duplicate,
)
from web.api.schemas.catalogs import (
    DuplicateList as DuplicateList,
)
from web.api.schemas.catalogs import (
    DuplicateSide as DuplicateSide,
)
from web.api.schemas.catalogs import (
    Generation as Generation,
)
from web.api.schemas.catalogs import (
    Merge as Merge,
)
from web.api.schemas.dead import (
    Dead as Dead,
)
from web.api.schemas.dead import (
    DeadList as DeadList,
)
from web.api.schemas.encoders import (
    Encoder as Encoder,
)
from web.api.schemas.encoders import (
    EncoderList as EncoderList,
)
from web.api.schemas.feeds import (
    Feed as Feed,
)
from web.api.schemas.feeds import (
    FeedDifference as FeedDifference,
)
from web.api.schemas.feeds import (
    FeedList as FeedList,
)
from web.api.schemas.feeds import (
    FeedRun as FeedRun,
)
from web.api.schemas.feeds import (
    FeedRunList as FeedRunList,
)
from web.api.schemas.feeds import (
    FeedSettings as FeedSettings,
)
from web.api.schemas.golden import (
    GoldenCheck as GoldenCheck,
)
from web.api.schemas.golden import (
    GoldenCounts as GoldenCounts,
)
from web.api.schemas.golden import (
    GoldenProducts as GoldenProducts,
)
from web.api.schemas.golden import (
    GoldenQuery as GoldenQuery,
)
from web.api.schemas.golden import (
    GoldenQueryList as GoldenQueryList,
)
from web.api.schemas.golden import (
    NewGoldenQuery as NewGoldenQuery,
)
from web.api.schemas.golden import (
    Quality as Quality,
)
from web.api.schemas.imports import (
    Counts as Counts,
)
from web.api.schemas.imports import (
    Import as Import,
)
from web.api.schemas.imports import (
    ImportList as ImportList,
)
from web.api.schemas.imports import (
    Item as Item,
)
from web.api.schemas.imports import (
    ItemList as ItemList,
)
from web.api.schemas.imports import (
    Mapping as Mapping,
)
from web.api.schemas.imports import (
    MappingColumn as MappingColumn,
)
from web.api.schemas.imports import (
    Preview as Preview,
)
from web.api.schemas.imports import (
    Waiting as Waiting,
)
from web.api.schemas.products import (
    NewProduct as NewProduct,
)
from web.api.schemas.products import (
    Product as Product,
)
from web.api.schemas.products import (
    ProductChanges as ProductChanges,
)
from web.api.schemas.products import (
    ProductImage as ProductImage,
)
from web.api.schemas.products import (
    ProductList as ProductList,
)
from web.api.schemas.products import (
    ProductText as ProductText,
)
from web.api.schemas.ranking import (
    NewRanking as NewRanking,
)
from web.api.schemas.ranking import (
    Ranking as Ranking,
)
from web.api.schemas.ranking import (
    RankingFit as RankingFit,
)
from web.api.schemas.ranking import (
    RankingTrial as RankingTrial,
)
from web.api.schemas.reindexes import (
    BeforeAndAfter as BeforeAndAfter,
)
from web.api.schemas.reindexes import (
    Comparison as Comparison,
)
from web.api.schemas.reindexes import (
    GoldenQuality as GoldenQuality,
)
from web.api.schemas.reindexes import (
    LabelQuality as LabelQuality,
)
from web.api.schemas.reindexes import (
    NewReindex as NewReindex,
)
from web.api.schemas.reindexes import (
    Reindex as Reindex,
)
from web.api.schemas.reindexes import (
    ReindexCounts as ReindexCounts,
)
from web.api.schemas.reindexes import (
    ReindexFailure as ReindexFailure,
)
from web.api.schemas.reindexes import (
    ReindexFailureList as ReindexFailureList,
)
from web.api.schemas.reindexes import (
    ReindexList as ReindexList,
)
from web.api.schemas.searches import (
    ImageRef as ImageRef,
)
from web.api.schemas.searches import (
    NewSearch as NewSearch,
)
from web.api.schemas.searches import (
    Search as Search,
)
from web.api.schemas.searches import (
    json_fields as json_fields,
)
from web.api.schemas.searches import (
    search_form as search_form,
)
from web.api.schemas.system import (
    CatalogState as CatalogState,
)
from web.api.schemas.system import (
    DamagedSegment as DamagedSegment,
)
from web.api.schemas.system import (
    Queue as Queue,
)
from web.api.schemas.system import (
    System as System,
)
from web.api.schemas.system import (
    Worker as Worker,
)
