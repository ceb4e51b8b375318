# SPDX-License-Identifier: Apache-2.0
"""Every command by name: which module holds it, and its one-line summary.

`main` imports the one module that is asked for; help and completion of the names need none at all. A command
with several names (``ps``, ``container ls``) is in one module; `alias` marks names that help does not list.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.command import Command


class Entry:
    """Where a command is: ``module`` or ``module:NAME``, below `sampan.cli.commands`."""

    __slots__ = ("alias", "place", "summary")

    def __init__(self, place: str, summary: str, *, alias: bool = False) -> None:
        self.place = place
        self.summary = summary
        self.alias = alias

    def load(self) -> Command:
        """Import the module and give its command."""
        from importlib import import_module

        module, _, name = self.place.partition(":")
        command: Command = getattr(import_module(f"sampan.cli.commands.{module}"), name or "COMMAND")
        return command


# Commands of containers that exist at the top level and below `container` alike.
_CONTAINER = {
    "attach": Entry(
        "attach", "Attach local standard input, output, and error streams to a running container"
    ),
    "commit": Entry("commit", "Create a new image from a container's changes"),
    "cp": Entry("cp", "Copy files/folders between a container and the local filesystem"),
    "create": Entry("create", "Create a new container"),
    "diff": Entry("diff", "Inspect changes to files or directories on a container's filesystem"),
    "exec": Entry("exec", "Execute a command in a running container"),
    "export": Entry("export", "Export a container's filesystem as a tar archive"),
    "kill": Entry("kill", "Kill one or more running containers"),
    "logs": Entry("logs", "Fetch the logs of a container"),
    "pause": Entry("pause", "Pause all processes within one or more containers"),
    "port": Entry("port", "List port mappings or a specific mapping for the container"),
    "rename": Entry("rename", "Rename a container"),
    "restart": Entry("restart", "Restart one or more containers"),
    "rm": Entry("rm", "Remove one or more containers"),
    "run": Entry("run", "Create and run a new container from an image"),
    "start": Entry("start", "Start one or more stopped containers"),
    "stats": Entry("stats", "Display a live stream of container(s) resource usage statistics"),
    "stop": Entry("stop", "Stop one or more running containers"),
    "top": Entry("top", "Display the running processes of a container"),
    "unpause": Entry("unpause", "Unpause all processes within one or more containers"),
    "update": Entry("update", "Update configuration of one or more containers"),
    "wait": Entry("wait", "Block until one or more containers stop, then print their exit codes"),
}

_IMAGE = {
    "build": Entry("build", "Build an image from a Dockerfile"),
    "history": Entry("history", "Show the history of an image"),
    "import": Entry("import_", "Import the contents from a tarball to create a filesystem image"),
    "load": Entry("load", "Load an image from a tar archive or STDIN"),
    "pull": Entry("pull", "Download an image from a registry"),
    "push": Entry("push", "Upload an image to a registry"),
    "save": Entry("save", "Save one or more images to a tar archive (streamed to STDOUT by default)"),
    "tag": Entry("tag", "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE"),
}

_PS = Entry("ps", "List containers")
_PS_ALIAS = Entry("ps", "List containers", alias=True)
_IMAGES = Entry("images", "List images")
_RMI = Entry("rmi", "Remove one or more images")
_EVENTS = Entry("events", "Get real time events from the server")
_INFO = Entry("info", "Display system-wide information")

COMMANDS: dict[str, Entry] = {
    **_CONTAINER,
    **_IMAGE,
    "bootstrap": Entry("bootstrap", "Build a base image from the distribution's packages"),
    "completion": Entry("completion", "Generate the autocompletion script for the specified shell"),
    "copy": Entry("copy", "Copy an image between registries, archives, folders and engines"),
    "events": _EVENTS,
    "images": _IMAGES,
    "info": _INFO,
    "inspect": Entry("inspect", "Return low-level information on Docker objects"),
    "login": Entry("login:LOGIN", "Authenticate to a registry"),
    "logout": Entry("login:LOGOUT", "Log out from a registry"),
    "ps": _PS,
    "rmi": _RMI,
    "search": Entry("search", "Search Docker Hub for images"),
    "version": Entry("version", "Show the Sampan version information"),
    **{f"container {name}": entry for name, entry in _CONTAINER.items()},
    "container inspect": Entry("inspect:CONTAINER", "Display detailed information on one or more containers"),
    "container list": _PS_ALIAS,
    "container ls": _PS,
    "container prune": Entry("prune:CONTAINER", "Remove all stopped containers"),
    "container ps": _PS_ALIAS,
    "container remove": Entry("rm", "Remove one or more containers", alias=True),
    **{f"image {name}": entry for name, entry in _IMAGE.items()},
    "image inspect": Entry("inspect:IMAGE", "Display detailed information on one or more images"),
    "image mirror": Entry("mirror", "Copy images to a folder or registry for machines without a network"),
    "image list": Entry("images", "List images", alias=True),
    "image ls": _IMAGES,
    "image prune": Entry("prune:IMAGE", "Remove unused images"),
    "image remove": Entry("rmi", "Remove one or more images", alias=True),
    "image rm": _RMI,
    "builder build": _IMAGE["build"],
    "builder cache export": Entry(
        "builder:CACHE_EXPORT", "Write the build cache to a folder, a .tar file or a registry (docker://NAME)"
    ),
    "builder cache import": Entry(
        "builder:CACHE_IMPORT", "Bring a build cache from a folder, a .tar file or a registry (docker://NAME)"
    ),
    "builder du": Entry("builder:DU", "Disk usage"),
    "builder history inspect": Entry("builder_history:INSPECT", "Inspect a build record"),
    "builder history logs": Entry("builder_history:LOGS", "Print the logs of a build record"),
    "builder history ls": Entry("builder_history:LS", "List build records"),
    "builder history rm": Entry("builder_history:RM", "Remove build records"),
    "builder prune": Entry("builder:PRUNE", "Remove build cache"),
    "compose config": Entry("compose.config", "Parse, resolve and render compose file in canonical format"),
    "compose convert": Entry(
        "compose.config", "Parse, resolve and render compose file in canonical format", alias=True
    ),
    "compose attach": Entry(
        "compose.one:ATTACH",
        "Attach local standard input, output, and error streams to a service's running container",
    ),
    "compose build": Entry("compose.making:BUILD", "Build or rebuild services"),
    "compose commit": Entry("compose.one:COMMIT", "Create a new image from a service container's changes"),
    "compose cp": Entry(
        "compose.one:CP", "Copy files/folders between a service container and the local filesystem"
    ),
    "compose create": Entry("compose.making:CREATE", "Creates containers for a service"),
    "compose events": Entry("compose.reports:EVENTS", "Receive real time events from containers"),
    "compose exec": Entry("compose.one:EXEC", "Execute a command in a running container"),
    "compose export": Entry("compose.one:EXPORT", "Export a service container's filesystem as a tar archive"),
    "compose images": Entry("compose.reports:IMAGES", "List images used by the created containers"),
    "compose logs": Entry("compose.logs", "View output from containers"),
    "compose ls": Entry("compose.reports:LS", "List running compose projects"),
    "compose publish": Entry("compose.publish", "Publish compose application"),
    "compose bridge": Entry("compose.bridge", "Convert compose files into another model; not supported"),
    "compose port": Entry("compose.one:PORT", "Print the public port for a port binding"),
    "compose ps": Entry("compose.ps", "List containers"),
    "compose pull": Entry("compose.making:PULL", "Pull service images"),
    "compose push": Entry("compose.making:PUSH", "Push service images"),
    "compose run": Entry("compose.run", "Run a one-off command on a service"),
    "compose scale": Entry("compose.making:SCALE", "Scale services"),
    "compose stats": Entry(
        "compose.reports:STATS", "Display a live stream of container(s) resource usage statistics"
    ),
    "compose top": Entry("compose.reports:TOP", "Display the running processes"),
    "compose version": Entry("compose.reports:VERSION", "Show the Sampan Compose version information"),
    "compose volumes": Entry("compose.reports:VOLUMES", "List volumes"),
    "compose watch": Entry(
        "compose.watch",
        "Watch build context for service and rebuild/refresh containers when files are updated",
    ),
    "compose down": Entry("compose.down", "Stop and remove containers, networks"),
    "compose kill": Entry("compose.lifecycle:KILL", "Force stop service containers"),
    "compose pause": Entry("compose.lifecycle:PAUSE", "Pause services"),
    "compose restart": Entry("compose.lifecycle:RESTART", "Restart service containers"),
    "compose rm": Entry("compose.lifecycle:RM", "Removes stopped service containers"),
    "compose start": Entry("compose.lifecycle:START", "Start services"),
    "compose stop": Entry("compose.lifecycle:STOP", "Stop services"),
    "compose unpause": Entry("compose.lifecycle:UNPAUSE", "Unpause services"),
    "compose wait": Entry(
        "compose.lifecycle:WAIT", "Block until containers of all (or specified) services stop."
    ),
    "compose up": Entry("compose.up", "Create and start containers"),
    "bundle create": Entry(
        "bundle:CREATE", "Put images and packages for a machine without a network into one file"
    ),
    "bundle load": Entry("bundle:LOAD", "Load a bundle into the engine, a folder or a registry"),
    "engine run": Entry("engine:RUN", "Run the engine in the foreground"),
    "engine start": Entry("engine:START", "Start the engine in the background"),
    "engine status": Entry("engine:STATUS", "Say whether the engine runs, and where"),
    "engine stop": Entry("engine:STOP", "Stop the engine; containers go on"),
    "builder imagetools create": Entry("imagetools:CREATE", "Create a new image based on source images"),
    "builder imagetools inspect": Entry("imagetools:INSPECT", "Show details of an image in the registry"),
    "manifest annotate": Entry("manifest:ANNOTATE", "Add additional information to a local image manifest"),
    "manifest create": Entry(
        "manifest:CREATE", "Create a local manifest list for annotating and pushing to a registry"
    ),
    "manifest inspect": Entry("manifest:INSPECT", "Display an image manifest, or manifest list"),
    "manifest push": Entry("manifest:PUSH", "Push a manifest list to a repository"),
    "manifest rm": Entry("manifest:RM", "Delete one or more manifest lists from local storage"),
    "network connect": Entry("network:CONNECT", "Connect a container to a network"),
    "network create": Entry("network_create", "Create a network"),
    "network disconnect": Entry("network:DISCONNECT", "Disconnect a container from a network"),
    "network inspect": Entry("inspect:NETWORK", "Display detailed information on one or more networks"),
    "network list": Entry("network:LS", "List networks", alias=True),
    "network ls": Entry("network:LS", "List networks"),
    "network prune": Entry("prune:NETWORK", "Remove all unused networks"),
    "network remove": Entry("network:RM", "Remove one or more networks", alias=True),
    "network rm": Entry("network:RM", "Remove one or more networks"),
    "registry du": Entry("registry:DU", "Show what the repositories of a registry take"),
    "registry gc": Entry("registry:GC", "Remove what no image of a registry needs"),
    "registry retain": Entry(
        "registry:RETAIN", "Remove tags of a registry by the rules of its configuration"
    ),
    "registry serve": Entry("registry:SERVE", "Run a registry in the foreground"),
    "system df": Entry("system_df", "Show disk usage"),
    "system events": _EVENTS,
    "system info": _INFO,
    "system prune": Entry("system_prune", "Remove unused data"),
    "trust inspect": Entry("trust:INSPECT", "Show the signatures of an image"),
    "trust key generate": Entry("trust_key:GENERATE", "Generate a key pair for signing"),
    "trust key load": Entry("trust_key:LOAD", "Take over a private key from a file"),
    "trust revoke": Entry("trust_revoke:REVOKE", "Remove signatures of an image"),
    "trust sign": Entry("trust_sign:SIGN", "Sign an image on its registry"),
    "trust verify": Entry("trust:VERIFY", "Check the signatures of an image"),
    "volume create": Entry("volume:CREATE", "Create a volume"),
    "volume inspect": Entry("inspect:VOLUME", "Display detailed information on one or more volumes"),
    "volume list": Entry("volume:LS", "List volumes", alias=True),
    "volume ls": Entry("volume:LS", "List volumes"),
    "volume prune": Entry("prune:VOLUME", "Remove unused local volumes"),
    "volume remove": Entry("volume:RM", "Remove one or more volumes", alias=True),
    "volume rm": Entry("volume:RM", "Remove one or more volumes"),
}

GROUPS = {
    "builder": "Manage builds",
    "builder cache": "Move the build cache between machines",
    "builder history": "Commands to work on build records",
    "builder imagetools": "Commands to work on images in registry",
    "compose": "Define and run multi-container applications",
    "bundle": "Carry images and packages to machines without a network",
    "container": "Manage containers",
    "engine": "Manage the engine",
    "image": "Manage images",
    "manifest": "Manage image manifests and manifest lists",
    "network": "Manage networks",
    "registry": "Run a registry",
    "system": "Manage Sampan",
    "trust": "Manage trust on images",
    "trust key": "Manage keys for signing images",
    "volume": "Manage volumes",
}

_COMMON = (
    *("run", "exec", "ps", "build", "pull", "push", "images"),
    *("login", "logout", "search", "version", "info"),
)

SECTIONS: dict[str, list[str]] = {
    "Common Commands": list(_COMMON),
    "Management Commands": [name for name in GROUPS if " " not in name],
    "Commands": sorted(name for name in COMMANDS if " " not in name and name not in _COMMON),
}


def names_in(group: str = "") -> list[str]:
    """The words that may follow a group, or begin a command line: commands, and groups inside."""
    start = f"{group} " if group else ""
    names = (name[len(start) :] for name in (*COMMANDS, *GROUPS) if name.startswith(start))
    return sorted(name for name in names if " " not in name)


def nearest_command(word: str, group: str = "") -> str | None:
    """The name that was probably meant by an unknown `word`."""
    from difflib import get_close_matches

    matches = get_close_matches(word, names_in(group), n=1)
    return matches[0] if matches else None
