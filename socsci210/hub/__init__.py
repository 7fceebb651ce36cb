"""Publishing datasets, metrics, models and apps on the Hub, each in one commit."""
