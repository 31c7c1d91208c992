"""The former address of the importer to Keras, for converters that were written for it.

See :mod:`metannvis_translate.frameworks.keras.importer`.
"""
