"""The log against a model of it, by steps that nobody thought of: hypothesis chooses, and finds the shortest way (T17).

Two sides with two devices each write, resend, read page by page, lose answers, and the database is closed before or
after a commit. After every step the rows are what the model says, and state + events == fresh state.
"""

import asyncio
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlmodel import SQLModel

from chat import conversations, holdings, log
from chat.audiences import Audience, position
from chat.drafts import DifferentPayload, OutOfOrder
from chat.log import Ack, Draft, Span
from chat.models import Conversation
from chat.state import State, fold
from core import policy
from core.database import Database, Transaction
from core.holdings import Ref
from core.hub import LocalHub
from core.limits import Limits
from core.refusals import NotFound
from core.services import Core
from core.settings import Settings
from core.vault.keystore import Vault
from tests.chaos import scale
from tests.chat.conftest import NOW, agent, person

EXAMPLES, STEPS = (30, 25) if not scale.IS_LONG else (20 * scale.LENGTH, 50)
FATES = ["answered", "answer lost", "closed before commit", "closed after commit"]
AMY, BEN = person(), agent()
SIDES = {"amy": AMY, "ben": BEN}


class Cut(Exception):
    """The connection to the database ends here."""


@dataclass
class Device:
    """Where one reader stands, and what it holds."""

    audience: Audience
    cursor: int = 0
    held: list[tuple[int, str, str]] = field(default_factory=list)  # number, client id, text


@dataclass
class Shop:
    """A real core that can be closed and opened again; made once, every example has a conversation of its own."""

    core: Core
    database: Database

    def reopen(self) -> None:
        self.database.close()
        self.database.open()


def opened(folder: Path) -> Shop:
    chosen = Settings(data=folder, public_url="http://localhost:8000")
    database = Database(chosen.database_url)
    database.open()
    database.create_all(SQLModel.metadata)
    limits = Limits.open(chosen)
    return Shop(Core(chosen, database, Vault.open(chosen), policy.load(chosen.policy), LocalHub(), limits), database)


class Talk(RuleBasedStateMachine):
    """One conversation; `truth` is what must be in the log after its first event, `outbox` what nobody confirmed."""

    shop: Shop

    def __init__(self) -> None:
        super().__init__()
        core = self.shop.core
        fresh = asyncio.run(conversations.prepare(core, AMY.ref))
        self.row: Conversation = core.database.write_now(
            conversations.open_, core, AMY, fresh, topic=None, locale="en", now=NOW
        )
        self.truth: list[Draft] = []
        self.acked: dict[str, Ack] = {}
        self.outbox: dict[str, list[Draft]] = {"amy": [], "ben": []}
        self.devices = [Device(audience) for audience in (Audience.PUBLIC, Audience.STAFF) for _ in range(2)]
        self.is_gone = False

    # ---------------------------------------------------------------- what people do

    @rule(who=st.sampled_from(sorted(SIDES)), is_note=st.booleans(), fate=st.sampled_from(FATES))
    @precondition(lambda self: not self.is_gone)
    def write(self, who: str, is_note: bool, fate: str) -> None:
        outbox = self.outbox[who]
        kind = "note" if is_note and who == "ben" else "message"
        after = outbox[-1].client_id if outbox else None
        words = {"text": f"word {len(self.truth)}"}
        outbox.append(Draft(self.row.id, SIDES[who], str(uuid.uuid4()), kind, words, after=after))
        self._send(who, len(outbox) - 1, fate)

    @rule(who=st.sampled_from(sorted(SIDES)), fate=st.sampled_from(FATES))
    @precondition(lambda self: not self.is_gone)
    def send_the_outbox_again(self, who: str, fate: str) -> None:
        while self.outbox[who]:
            if not self._send(who, 0, fate):
                break

    @rule(who=st.sampled_from(sorted(SIDES)))
    @precondition(lambda self: not self.is_gone and self.acked)
    def send_an_old_one_again(self, who: str) -> None:
        for draft in self.truth[:3]:
            if draft.client_id in self.acked and draft.sender is SIDES[who]:
                ack = self._append(draft)
                assert ack.duplicate
                assert (ack.seq, ack.pub_seq) == self._place(draft)

    @rule()
    @precondition(lambda self: not self.is_gone and self.truth)
    def send_another_text_under_an_old_id(self) -> None:
        old = self.truth[-1]
        other = Draft(self.row.id, old.sender, old.client_id, old.kind, {"text": "something else"})
        assert self._refusal(other) is DifferentPayload

    @rule(which=st.integers(0, 3), limit=st.integers(1, 5))
    @precondition(lambda self: not self.is_gone)
    def read_on(self, which: int, limit: int) -> None:
        device = self.devices[which]
        for event in self._read(device.audience, Span(limit, device.cursor + 1)):
            number = position(event, device.audience)
            assert number == device.cursor + 1
            device.cursor = number
            device.held.append((number, event.client_id, str(event.body.get("text", ""))))

    @rule(is_owner=st.booleans())
    @precondition(lambda self: not self.is_gone and len(self.truth) > 6)
    def end(self, is_owner: bool) -> None:
        """The period is over, or the owner wants it gone: hidden, key destroyed, rows deleted."""
        core, holding, ref = self.shop.core, holdings.holding(self.shop.core), Ref(holdings.KIND, self.row.id)
        later = NOW + 1 if is_owner else self._state().expires_ms
        core.database.write_now(holding.hide, [ref], now=later)
        keys = core.database.read_now(holding.keys, [ref])
        asyncio.run(core.vault.destroy(keys, reason="model"))
        core.database.write_now(holding.erase, [ref], now=later)
        self.is_gone = True

    @rule(who=st.sampled_from(sorted(SIDES)))
    @precondition(lambda self: self.is_gone)
    def write_into_what_is_gone(self, who: str) -> None:
        draft = Draft(self.row.id, SIDES[who], str(uuid.uuid4()), "message", {"text": "late"})
        assert self._refusal(draft) is NotFound

    # ---------------------------------------------------------------- what always holds

    @invariant()
    def the_log_is_what_the_model_says(self) -> None:
        if self.is_gone:
            assert self.shop.core.database.read_now(log.rows_of, self.row.id) == []
            return
        rows = self.shop.core.database.read_now(log.rows_of, self.row.id)[1:]
        assert [row.seq for row in rows] == list(range(2, len(self.truth) + 2))
        assert [row.client_id for row in rows] == [draft.client_id for draft in self.truth]
        assert [row.pub_seq for row in rows] == [self._place(draft)[1] for draft in self.truth]
        assert all((ack.seq, ack.pub_seq) == self._named(name) for name, ack in self.acked.items())

    @invariant()
    def state_and_events_are_the_fresh_state(self) -> None:
        if not self.is_gone:
            state = State()
            for event in self._read(Audience.STAFF, Span(1_000)):
                state = fold(state, event)
            assert state == log.state_of(self._state())

    @invariant()
    def every_view_is_a_beginning_of_the_log(self) -> None:
        for device in self.devices:
            mine = [draft for draft in self.truth if device.audience is Audience.STAFF or draft.kind != "note"]
            seen = [(name, said) for _, name, said in device.held[1:]]
            assert seen == [(draft.client_id, draft.body["text"]) for draft in mine[: len(seen)]]
            assert [number for number, _, _ in device.held] == list(range(1, len(device.held) + 1))

    # ---------------------------------------------------------------- how

    def _send(self, who: str, at: int, fate: str) -> bool:
        """Whether the sender knows that it is stored."""
        draft = self.outbox[who][at]
        is_ready = at == 0 or self._is_stored(draft.after)
        if not is_ready:
            assert self._refusal(draft) is OutOfOrder
            return False
        if fate == "closed before commit":
            self._cut_off(draft)
            return False
        ack = self._append(draft)
        assert ack.duplicate == self._is_stored(draft.client_id)
        if not ack.duplicate:
            self.truth.append(draft)
        if fate == "closed after commit":
            self.shop.reopen()
        if fate != "answered":
            return False
        self.acked[draft.client_id] = ack
        del self.outbox[who][: at + 1]
        return True

    def _cut_off(self, draft: Draft) -> None:
        def cut(tx: Transaction) -> None:
            log.append_in(tx, self.shop.core, draft, now=NOW + 1)
            raise Cut

        try:
            self.shop.core.database.write_now(cut)
        except Cut:
            self.shop.reopen()

    def _append(self, draft: Draft) -> Ack:
        return self.shop.core.database.write_now(log.append_in, self.shop.core, draft, now=NOW + 1)

    def _refusal(self, draft: Draft) -> type[BaseException] | None:
        try:
            self._append(draft)
        except (DifferentPayload, OutOfOrder, NotFound) as refusal:
            return type(refusal)
        return None

    def _read(self, audience: Audience, span: Span) -> list[Any]:  # Any: events
        read: Callable[[Transaction], list[Any]] = lambda tx: log.read(  # noqa: E731
            tx, self.shop.core, conversations.get(tx, self.row.id, now=NOW), audience, span
        )
        return self.shop.core.database.read_now(read)

    def _state(self) -> Conversation:
        return self.shop.core.database.read_now(conversations.get, self.row.id, now=NOW)

    def _is_stored(self, name: str | None) -> bool:
        return any(draft.client_id == name for draft in self.truth)

    def _place(self, draft: Draft) -> tuple[int, int | None]:
        at = next(place for place, each in enumerate(self.truth) if each.client_id == draft.client_id)
        before = sum(each.kind != "note" for each in self.truth[:at])
        return at + 2, None if draft.kind == "note" else before + 2

    def _named(self, name: str) -> tuple[int, int | None]:
        return self._place(next(draft for draft in self.truth if draft.client_id == name))


def test_no_sequence_of_steps_leads_the_log_away_from_its_model() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Talk.shop = opened(Path(folder) / "var")
        run_state_machine_as_test(
            Talk,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                derandomize=not scale.IS_LONG,
                suppress_health_check=list(HealthCheck),
            ),
        )
        asyncio.run(Talk.shop.core.limits.close())
        Talk.shop.core.vault.close()
        Talk.shop.database.close()
