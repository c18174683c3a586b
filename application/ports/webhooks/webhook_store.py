"""Webhooks and their dead letters, as a store keeps them."""

from typing import Protocol

from application.ports.webhooks.delivering import DeliveredWebhooks
from application.ports.webhooks.keeping import ManagedWebhooks


class WebhookStore(ManagedWebhooks, DeliveredWebhooks, Protocol):
    """Webhooks, for who looks after them and for who delivers."""
