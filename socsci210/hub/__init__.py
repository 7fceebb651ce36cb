"""Publishing datasets, metrics, models and apps on the Hub, each in one commit."""

from .package import Package, PushResult
from .plan import Plan
from .push import is_private, plan, push

__all__ = ["Package", "Plan", "PushResult", "is_private", "plan", "push"]
