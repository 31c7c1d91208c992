"""The former address of the modules of translated models, for whole models that were pickled with it."""

from metannvis_translate.frameworks.torch.importer.modules import *  # noqa: F403
