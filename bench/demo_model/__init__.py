"""Train the demo model that ships in refimpl/demo: emoji drawings and their names.

Run `python -m bench.demo_model --work DIR`; read __main__.py for the order of the steps.
Needs torch, transformers, resvg-py, Pillow and npm. Never run in continuous integration.
"""
