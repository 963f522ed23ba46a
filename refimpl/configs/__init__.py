"""Configurations of the families: frozen dataclasses, one file per family.

Read in order: towers.py (what they share), clip.py; then the others, side by side.
"""

from refimpl.configs.clip import CLIPConfig, CLIPTextConfig, CLIPVisionConfig

__all__ = ["CLIPConfig", "CLIPTextConfig", "CLIPVisionConfig"]
