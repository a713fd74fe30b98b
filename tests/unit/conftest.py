"""Hypothesis profiles: quick by default; ``HYPOTHESIS_PROFILE=index-thorough`` runs longer."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "index-quick",
    max_examples=100,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("index-thorough", settings.get_profile("index-quick"), max_examples=3000)
