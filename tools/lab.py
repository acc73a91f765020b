r"""Open the chapters live in JupyterLab: with the kernel of this installation, no pop-up, and no other host asked.

Usage: python tools/lab.py [any option of jupyter lab, such as --no-browser]
"""

import sys

from kernels import environment, in_utf8
from run_chapters import ROOT

SETTINGS = {
    "--ServerApp.root_dir": str(ROOT),
    "--LabApp.default_url": "/lab/tree/book/intro.ipynb",
    "--KernelSpecManager.allowed_kernelspecs": "{'python3'}",  # what every chapter names
    "--LabApp.app_settings_dir": str(ROOT / "_lab" / "settings"),  # no question about news
    "--LabApp.extra_labextensions_path": str(ROOT / "_lab" / "extensions"),  # numbers in the prose
    "--LabApp.news_url": "None",
    "--LabApp.check_for_updates_class": "jupyterlab.handlers.announcements.NeverCheckForUpdate",
    "--LabApp.extension_manager": "readonly",  # the other one lists what can be installed from the web
    "--LanguageServerManager.autodetect": "False",  # else npm is started, and writes into the home folder
}


def main(arguments):
    from jupyterlab.labapp import main as lab

    given = {argument.split("=")[0] for argument in arguments}
    with environment():
        return lab([f"{name}={value}" for name, value in SETTINGS.items() if name not in given] + arguments)


if __name__ == "__main__":
    in_utf8()
    sys.exit(main(sys.argv[1:]))
