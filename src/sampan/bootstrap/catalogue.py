# SPDX-License-Identifier: Apache-2.0
"""The recipes that come with Sampan, and how a name or a file becomes a complete recipe."""

from __future__ import annotations

import difflib
import os
from functools import cache

from sampan.bootstrap.recipe import Recipe, extend_recipe
from sampan.bootstrap.recipe_file import RecipeInvalid, parse_recipe
from sampan.errors import NotFound

RECIPES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "recipes")


def find_recipe(name: str) -> Recipe:
    """The catalogue's recipe of this name or alias, with its bases worked in."""
    wanted = name.removeprefix("docker.io/library/")
    for recipe in iter_catalogue():
        if wanted == recipe.name or wanted in recipe.aliases:
            return complete_recipe(recipe)
    names = [recipe.name for recipe in iter_catalogue()]
    near = difflib.get_close_matches(wanted, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"known names: {', '.join(names)}"
    raise NotFound(f"no recipe for {name}", hint=hint)


def load_recipe(path: str) -> Recipe:
    """A recipe from somebody's own file; its base, if any, is one of the catalogue's."""
    return complete_recipe(_read(path))


def complete_recipe(recipe: Recipe) -> Recipe:
    """Work the bases of a recipe in; the catalogue's own chains end, a test sees to that."""
    if recipe.base is None:
        return recipe
    return extend_recipe(find_recipe(recipe.base), recipe)


@cache
def iter_catalogue() -> tuple[Recipe, ...]:
    """All recipes of the package, by name, as they are written (bases not worked in)."""
    files = sorted(name for name in os.listdir(RECIPES) if name.endswith(".toml"))
    return tuple(sorted((_read(os.path.join(RECIPES, name)) for name in files), key=lambda r: r.name))


def _read(path: str) -> Recipe:
    try:
        with open(path, encoding="utf-8") as file:
            return parse_recipe(file.read(), path=path)
    except OSError as error:
        raise NotFound(f"recipe {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise RecipeInvalid(path, "not a text file") from error
