"""Two indexes that SQLite takes rather than walk through a whole catalog or import."""

from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.drop_index("ix_images_sha256", table_name="images")
    op.create_index("ix_images_sha256", "images", ["sha256", "catalog_pk"])
    op.drop_index("ix_import_items_chunk", table_name="import_items")
    op.create_index("ix_import_items_chunk", "import_items", ["import_pk", "chunk", "item"])
