"""The page on which people who do not program ask a model: what they fill in, what comes back, and the app around it.

`asking` reads the form, `answers` asks the model, `page` writes what is shown; none of them knows gradio. `app` puts them together.
"""
