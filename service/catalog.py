"""The models that are served: bundle names to open models."""

from __future__ import annotations

from service.model import Model, open_model
from service.settings import Settings, find_models_dir
from service.warmup import pick_clock


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
        model.warm_up(pick_clock(model.engine.provider, settings.engine_threads))
    return models
