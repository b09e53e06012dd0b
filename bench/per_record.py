"""`python -m bench.per_record NUMBERS`: a worker as tutorials write it, one record after the other. A rival.

aiokafka's `async for`, pydantic for what comes, is kept and goes out, a GET and a SET of Redis for each record,
`send_and_wait`, a commit. It chooses a different number per attempt and nothing else: no regions, no trail, no order
between the two topics, no guard against a second replica.
"""

import asyncio
import random
import sys
from datetime import UTC, datetime
from typing import Annotated, Literal

from aiokafka import AIOKafkaProducer, ConsumerRecord
from pydantic import BaseModel, Field, TypeAdapter
from redis.asyncio import Redis

from bench.rival import environment, inputs, say_started, until_told


class CallRequested(BaseModel):
    """A request."""

    type: Literal["call-requested"]
    call_id: str
    project_id: str
    contact_id: str
    phone: str
    agent_id: str | None = None
    requested_at: datetime


class CallOutcome(BaseModel):
    """An outcome."""

    type: Literal["call-outcome"]
    call_id: str
    project_id: str
    contact_id: str
    outcome: str
    occurred_at: datetime


class NumberAssigned(BaseModel):
    """A reply."""

    type: Literal["number-assigned"] = "number-assigned"
    call_id: str
    project_id: str
    contact_id: str
    phone: str
    number: str
    attempt: int
    requested_at: datetime
    assigned_at: datetime


class Contact(BaseModel):
    """What is kept of a contact."""

    attempts: int = 0
    numbers: list[str] = []
    outcome: str | None = None


EVENT: TypeAdapter[CallRequested | CallOutcome] = TypeAdapter(
    Annotated[CallRequested | CallOutcome, Field(discriminator="type")]
)


class PerRecordWorker:
    """Handles a record at a time."""

    def __init__(self, numbers: list[str]) -> None:
        self._numbers = numbers
        self._topic = environment("TOPIC_NUMBER_ASSIGNED")
        self._redis = Redis.from_url(environment("REDIS_URL"))
        self._producer = AIOKafkaProducer(bootstrap_servers=environment("KAFKA_BOOTSTRAP"), acks="all")
        self._consumer = inputs()

    async def run(self) -> None:
        """Handle records without an end."""
        async with self._redis, self._producer, self._consumer:
            say_started()
            async for record in self._consumer:
                await self._handle(record)
                await self._consumer.commit()

    async def _handle(self, record: ConsumerRecord) -> None:
        event = EVENT.validate_json(record.value)
        key = f"contact:{event.contact_id}"
        stored = await self._redis.get(key)
        contact = Contact.model_validate_json(stored) if stored else Contact()
        if isinstance(event, CallOutcome):
            contact.outcome = event.outcome
        else:
            reply = self._decide(event, contact)
            await self._producer.send_and_wait(
                self._topic, reply.model_dump_json().encode(), record.key, partition=record.partition
            )
        await self._redis.set(key, contact.model_dump_json())

    def _decide(self, request: CallRequested, contact: Contact) -> NumberAssigned:
        unused = [number for number in self._numbers if number not in contact.numbers]
        number = random.choice(unused) if unused else contact.numbers[0]
        if number in contact.numbers:
            contact.numbers.remove(number)
        contact.numbers.append(number)
        contact.attempts += 1
        return NumberAssigned(
            call_id=request.call_id,
            project_id=request.project_id,
            contact_id=request.contact_id,
            phone=request.phone,
            number=number,
            attempt=contact.attempts,
            requested_at=request.requested_at,
            assigned_at=datetime.now(UTC),
        )


if __name__ == "__main__":
    asyncio.run(until_told(lambda: PerRecordWorker(sys.argv[1].split(",")).run()))
