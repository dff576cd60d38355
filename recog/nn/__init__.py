"""The networks, in torch. Needs the ``train`` extra; nothing outside ``nn`` and ``training``
imports it."""
