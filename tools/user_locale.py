"""A plug-in of pytest (``-p user_locale``): the process takes the user's locale, as programs with windows do."""

import locale

locale.setlocale(locale.LC_ALL, "")
