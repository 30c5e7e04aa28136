"""The Python client, for code that waits and for code on an event loop.

    from service.client import SentimentClient

    with SentimentClient("http://localhost:8000") as client:
        print(client.predict("A lovely little film.").label)

It needs the extra `client`, and none of what the service itself runs on.
"""

from service.client.answers import ItemError, NoAnswer, Result, UnexpectedAnswer
from service.client.async_client import AsyncSentimentClient
from service.client.client import SentimentClient
from service.client.retries import RetryPolicy
from service.schemas import Prediction

__all__ = [
    "AsyncSentimentClient",
    "ItemError",
    "NoAnswer",
    "Prediction",
    "Result",
    "RetryPolicy",
    "SentimentClient",
    "UnexpectedAnswer",
]
