"""Celery workers: roles and thin tasks over the use cases of ``visearch``."""
