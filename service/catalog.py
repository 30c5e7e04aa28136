"""The models that are served: bundle names to open models."""

from __future__ import annotations

from time import perf_counter, thread_time

from service.engine import CPU
from service.model import Model, open_model
from service.settings import Settings, find_models_dir
from service.warmup import Clock


def open_models(settings: Settings) -> dict[str, Model]:
    """Open and check every bundle that the settings name, in their order.

    Raises BundleError or ProviderError with the reason for the first that cannot be served.
    """
    folder = find_models_dir(settings)
    models = {
        name: open_model(folder / name, settings.provider, settings.engine_threads)
        for name in settings.models
    }
    for model in models.values():
        model.warm_up(_pick_clock(settings, model))
    return models


def _pick_clock(settings: Settings, model: Model) -> Clock:
    """What a run costs by: seconds on the CPU where it runs in the calling thread alone.

    Another process that is busy at the start would make a run seem several times as dear.
    """
    alone = settings.engine_threads == 1 and model.engine.provider == CPU
    return thread_time if alone else perf_counter
