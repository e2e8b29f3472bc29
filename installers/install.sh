#!/bin/sh
# Install LaMa Fill for this user on Linux or macOS; again to upgrade; `uninstall` to take everything back.
# `--help` shows the options. No administrator rights are needed or used.
set -eu
# What is set for another Python must not get into ours.
unset PYTHONPATH PYTHONHOME PIP_USER PIP_TARGET PIP_PREFIX

usage() {
    cat <<'TEXT'
usage: install.sh [options]            install LaMa Fill, or upgrade it
       install.sh uninstall [options]  take back what was installed

  --dry-run         show what would be done, and do nothing
  --yes             ask nothing: install the model that --model names, remove no models
  --model NAME      offer this model's download: big-lama (the default), anime-manga-big-lama, none
  --torch WHICH     auto (the default), cpu, cuda, rocm, xpu; or a requirement, such as torch==2.9.1, that is
                    taken from pip's own configuration
  --no-autostart    do not have the system start the server (editors in a Flatpak or Snap need that)
  --remove-models   with uninstall: remove downloaded models without asking
TEXT
}

say() { printf '%s\n' "$*"; }
fail() { printf 'install.sh: %s\n' "$*" >&2; exit 2; }

# Show a command as one could type it, and run it unless nothing is to be done.
run() {
    if [ "$dry_run" = yes ]; then
        printf '  would run:'
        for word in "$@"; do
            case $word in
                '' | *[!A-Za-z0-9_./:=,@%+-]*) printf " '%s'" "$(printf '%s' "$word" | sed "s/'/'\\\\''/g")" ;;
                *) printf ' %s' "$word" ;;
            esac
        done
        printf '\n'
    else
        "$@"
    fi
}

ask() {
    if [ "$yes" = yes ]; then return "$2"; fi
    if ! [ -t 0 ]; then return 1; fi
    printf '%s [y/N] ' "$1"
    read -r answer || return 1
    case $answer in [yY]*) return 0 ;; *) return 1 ;; esac
}

# --- What was asked for

action=install dry_run=no yes=no model=big-lama torch=auto autostart=yes remove_models=no
while [ $# -gt 0 ]; do
    case $1 in
        install | uninstall) action=$1 ;;
        --dry-run) dry_run=yes ;;
        --yes) yes=yes ;;
        --model) [ $# -gt 1 ] || fail "--model needs a name"; model=$2; shift ;;
        --torch) [ $# -gt 1 ] || fail "--torch needs a value"; torch=$2; shift ;;
        --no-autostart) autostart=no ;;
        --remove-models) remove_models=yes ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; fail "what is $1?" ;;
    esac
    shift
done

here=$(cd "$(dirname "$0")" && pwd)
system=$(uname -s)
case $system in
    Darwin) base="$HOME/Library/Application Support/lama-fill" ;;
    *) base="${XDG_DATA_HOME:-$HOME/.local/share}/lama-fill" ;;
esac
environment="$base/venv"
command="$environment/bin/lama-fill"
link="$HOME/.local/bin/lama-fill"

# --- Taking it back

uninstall() {
    if ! [ -d "$environment" ]; then
        say "LaMa Fill is not installed in $base"
        exit 0
    fi
    "$command" --version >/dev/null 2>&1 ||
        fail "what is in $environment does not run any more: run install.sh, which mends it, then uninstall"
    say "Taking LaMa Fill out of the editors, and ending its server."
    # What cannot be taken back now could not be taken back later, without the command.
    run "$command" plugins remove
    run "$command" service uninstall
    run "$command" stop
    # What the server wrote: its logs and its lock, nothing that anybody else put there.
    state=$("$environment/bin/python" -c 'from lama_core.client.places import state_folder; print(state_folder())')
    for name in launch.json autostart.json server.json port.json server.lock; do
        run rm -f "$state/$name"
    done
    for log in "$state"/*.log "$state"/*.log.[0-9]*; do
        if [ -f "$log" ]; then run rm -f "$log"; fi
    done
    models=$("$environment/bin/python" -c 'from lama_core.model.installed.registry import models_folder; print(models_folder())')
    cache=$("$environment/bin/python" -c 'from lama_core.client.places import cache_folder; print(cache_folder())')
    run rm -rf "$cache/fast"
    if [ -L "$link" ] && [ "$(readlink "$link")" = "$command" ]; then run rm -f "$link"; fi
    run rm -rf "$environment"
    if [ -d "$models" ]; then
        if [ "$remove_models" = yes ] || ask "Remove the downloaded models in $models too?" 1; then
            run rm -rf "$models"
        else
            say "Kept: the models in $models"
        fi
    fi
    for folder in "$state" "$cache" "$(dirname "$models")" "$base"; do
        if [ -d "$folder" ] && [ -z "$(ls -A "$folder")" ]; then run rmdir "$folder"; fi
    done
    if [ "$dry_run" = yes ]; then say "Nothing was done: that was --dry-run."; else say "LaMa Fill is removed."; fi
}

if [ "$action" = uninstall ]; then
    uninstall
    exit 0
fi

# --- Which torch: gigabytes of CUDA are for machines that can use them

find_torch() {
    if [ "$system" = Darwin ]; then
        [ "$(uname -m)" = arm64 ] || fail "torch has no version for Macs with an Intel processor any more"
        say default
        return
    fi
    if command -v nvidia-smi >/dev/null 2>&1; then
        # The newest CUDA that the driver can do decides which build runs.
        version=$(nvidia-smi 2>/dev/null | sed -n 's/.*CUDA Version: *\([0-9]*\)\.\([0-9]*\).*/\1 \2/p' | head -n 1)
        # shellcheck disable=SC2086 # two words
        set -- ${version:-0 0}
        if [ "$1" -ge 13 ]; then say cu130; return; fi
        if [ "$1" -eq 12 ] && [ "$2" -ge 8 ]; then say cu128; return; fi
        if [ "$1" -eq 12 ] && [ "$2" -ge 6 ]; then say cu126; return; fi
    fi
    if [ -e /dev/kfd ] && { [ -d /opt/rocm ] || command -v rocminfo >/dev/null 2>&1; }; then say rocm6.4; return; fi
    if ls /usr/lib*/*/libze_intel_gpu.so* /usr/lib*/libze_intel_gpu.so* >/dev/null 2>&1 && [ -e /dev/dri ]; then
        say xpu
        return
    fi
    say cpu
}

case $torch in
    auto) build=$(find_torch) ;;
    cuda) build=$(find_torch); case $build in cu*) ;; *) build=cu126 ;; esac ;;
    rocm) build=rocm6.4 ;;
    cpu | xpu) build=$torch ;;
    *) build=own ;;
esac
case $build in
    own) requirement=$torch index= ;;
    default) requirement='torch>=2.4' index= ;;
    *) requirement='torch>=2.4' index="https://download.pytorch.org/whl/$build" ;;
esac

# --- The environment, which no other Python disturbs

fits() { "$1" -c 'import sys; raise SystemExit(not (3, 10) <= sys.version_info[:2])' >/dev/null 2>&1; }

find_python() {
    for name in python3.13 python3.12 python3.11 python3.10 python3.14 python3 python; do
        if command -v "$name" >/dev/null 2>&1 && fits "$name" && "$name" -c 'import venv, ensurepip' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    fail "no Python 3.10 or newer with venv was found: install one (Debian, Ubuntu: python3-venv), or install uv"
}

say "LaMa Fill goes to $base"
if [ "$build" = own ]; then say "torch: $requirement"; else say "torch: the build for $build"; fi

if command -v uv >/dev/null 2>&1; then uv=yes; else uv=no; fi
if [ -x "$environment/bin/python" ] && fits "$environment/bin/python"; then
    say "There is an installation: it is upgraded."
    if [ -x "$command" ]; then run "$command" stop; fi
elif [ "$uv" = yes ]; then
    run uv venv --clear --seed --python '>=3.10' "$environment"
else
    run "$(find_python)" -m venv --clear "$environment"
fi

python="$environment/bin/python"
try_pip() {
    if [ "$uv" = yes ]; then run uv pip install --quiet --python "$python" "$@"
    else run "$python" -m pip install --quiet --disable-pip-version-check "$@"; fi
}
pip() { try_pip "$@" || fail "this could not be installed: see above"; }

say "Installing torch: this can take some minutes."
own_torch="torch could not be installed: name one that your package index has, such as --torch 'torch>=2.4', and the index by PIP_INDEX_URL (with uv: UV_DEFAULT_INDEX)"
if [ -z "$index" ]; then
    try_pip "$requirement" || fail "$own_torch"
elif ! try_pip --index-url "$index" "$requirement"; then
    # A firewall, a mirror of PyPI alone, or no such build for this Python.
    say "Not from $index: trying the package index that pip is set up with."
    try_pip "$requirement" || fail "$own_torch"
fi
# Whatever comes next must not bring another one.
pinned="$environment/torch.txt"
if [ "$dry_run" = no ]; then
    "$python" -c 'from importlib.metadata import version; print("torch==" + version("torch"))' >"$pinned"
fi

wheel=
for found in "$here"/lama_fill-*.whl; do
    if [ -f "$found" ]; then wheel=$found; fi
done
if [ -n "$wheel" ]; then
    project=$wheel
elif [ -f "$here/../pyproject.toml" ]; then
    project=$(cd "$here/.." && pwd)
else
    fail "neither a wheel is beside install.sh, nor the project around it: unpack the whole release"
fi
say "Installing LaMa Fill from $project"
if [ "$uv" = yes ]; then
    pip --reinstall-package lama-fill --constraint "$pinned" "$project"
else
    pip --constraint "$pinned" "$project"
    # pip takes a wheel of the same version for the one that is there.
    if [ -n "$wheel" ]; then pip --force-reinstall --no-deps "$wheel"; fi
fi

# --- Kernels for the processor: from a wheel that fits, else compiled; without them fills take longer

has_compiler() {
    # Without Apple's tools cc is there, and opens a window that offers them.
    if [ "$system" = Darwin ]; then xcode-select -p >/dev/null 2>&1 || return 1; fi
    command -v cc >/dev/null 2>&1 || command -v gcc >/dev/null 2>&1
}

from_wheel() {
    ls "$here"/lama_fill_kernels-*.whl >/dev/null 2>&1 || return 1
    # What pip says when none fits is nothing to worry about.
    try_pip --force-reinstall --no-deps --no-index --only-binary :all: --find-links "$here" lama-fill-kernels 2>/dev/null
}

install_kernels() {
    if from_wheel; then
        run rm -f "$environment/kernels.sum"
        return
    fi
    kernels="$here/../kernels"
    for found in "$here"/lama_fill_kernels-*.tar.gz; do
        if [ -f "$found" ]; then kernels=$found; fi
    done
    if ! [ -e "$kernels" ]; then return; fi
    if ! has_compiler; then
        say "There is no C compiler: fills on the processor will take longer than they could (docs/install.md)."
        return
    fi
    sum=$(find "$kernels" -type f ! -path '*/build/*' ! -path '*.egg-info/*' ! -path '*/__pycache__/*' -exec cat {} + |
        cksum)
    if [ -f "$environment/kernels.sum" ] && [ "$(cat "$environment/kernels.sum")" = "$sum" ]; then return; fi
    say "Compiling the kernels for this processor."
    if [ -d "$kernels" ]; then
        # Not where the sources are: that would leave something there.
        run rm -rf "$environment/kernels"
        run cp -R "$kernels" "$environment/kernels"
        run rm -rf "$environment/kernels/build"
        kernels="$environment/kernels"
    fi
    if ! try_pip --force-reinstall --no-deps "$kernels"; then
        say "They could not be compiled: fills on the processor will take longer than they could."
    elif [ "$dry_run" = no ]; then
        printf '%s\n' "$sum" >"$environment/kernels.sum"
    fi
}
install_kernels

run mkdir -p "$(dirname "$link")"
if [ -e "$link" ] && ! [ -L "$link" ]; then
    say "$link is something else: call $command"
else
    run ln -sfn "$command" "$link"
fi

# --- The plug-ins

if ls "$here"/lama-fill-*-*.zip >/dev/null 2>&1; then
    run "$command" plugins install "$here"
else
    archives="$environment/plugins"
    pip babel
    run "$python" "$here/build_plugins.py" --out "$archives"
    run "$command" plugins install "$archives"
fi

# --- Model, autostart, and whether all of it works

if [ "$model" != none ]; then
    if [ "$dry_run" = no ] && "$command" models verify "$model" >/dev/null 2>&1; then
        say "The model $model is installed already."
    elif [ "$yes" = yes ]; then
        run "$command" models download --yes "$model" || say "Without it, the model that ships is used."
    elif [ "$dry_run" = yes ] || [ -t 0 ]; then
        run "$command" models download "$model" || say "Without it, the model that ships is used."
    else
        say "For better fills: lama-fill models download $model"
    fi
fi
if [ "$autostart" = yes ]; then
    run "$command" service install || say "The editors start the server themselves, except in a Flatpak or Snap."
fi
run "$command" doctor || fail "not everything works: see above for what to do; what was installed stays"

if [ "$dry_run" = yes ]; then
    say "Nothing was done: that was --dry-run."
    exit 0
fi
say "Done. In GIMP: Filters > LaMa Fill. In Krita: Settings > Dockers > LaMa Fill."
case ":$PATH:" in
    *":$(dirname "$link"):"*) ;;
    *) say "To type lama-fill in a terminal, add $(dirname "$link") to your PATH." ;;
esac
