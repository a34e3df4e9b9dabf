"""The keystore's own tables, in a database apart from the data, with a back-up ring of at most fourteen days."""

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, Table, Text

from core.database import Millis

METADATA = MetaData()

DEK = Table(
    "dek",
    METADATA,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("name", Text, unique=True),  # only the product's own keys have one
    Column("scope", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("wrap", LargeBinary, nullable=False),
    Column("kcv", LargeBinary, nullable=False),
    Column("uses", BigInteger, nullable=False),  # how often it sealed, as of the last time it left memory
    Column("created_ms", Millis, nullable=False),
)

TOMBSTONE = Table(
    "tombstone",
    METADATA,
    Column("dek_id", BigInteger, primary_key=True, autoincrement=False),
    Column("scope", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at_ms", Millis, nullable=False, index=True),
)

SIGNER = Table(
    "signer",
    METADATA,
    Column("public", LargeBinary, primary_key=True),  # kept for ever: old signatures stay checkable
    Column("name", Text, nullable=False),
    Column("created_ms", Millis, nullable=False),
)

ANCHOR = Table(
    "anchor",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),  # the generation that the data have reached at least
    Column("at_ms", Millis, nullable=False),
    Column("ledger_seq", BigInteger, nullable=False),
    Column("ledger_hash", LargeBinary, nullable=False),
)

EPOCH = Table(
    "epoch",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("current_ms", Millis),  # when every row was proved to lie under it; null while that is not so
    Column("doomed_ms", Millis),  # from when on nothing may be wrapped under it
    Column("retired_ms", Millis),  # from when on its provider knows that it is to be destroyed
)
HOLD = Table(
    "hold_note",  # ids and codes of every hold, so that a restore cannot forget one (clause 4(3)3)
    METADATA,
    Column("id", Text, primary_key=True),
    Column("changed_ms", Millis, nullable=False),
    Column("facts", LargeBinary, nullable=False),
)

KEYSTORE = Table(
    "keystore",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("created_ms", Millis, nullable=False),
)
