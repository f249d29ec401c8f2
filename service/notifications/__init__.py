"""Alarms on their way out: a bounded outbox, webhook, MQTT."""
