"""Alembic's entry: runs on the connection that it is handed and compares with the tables that the rooms declare."""

from alembic import context
from sqlmodel import SQLModel

from support import tables

assert tables.ALL, "every room's tables are declared"

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=SQLModel.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    transaction_per_migration=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
