# Install LaMa Fill for this user on Windows; again to upgrade; `uninstall` to take everything back.
#
#   powershell -ExecutionPolicy Bypass -File install.ps1 [install|uninstall] [-DryRun] [-Yes] [-Model NAME]
#       [-Torch auto|cpu|cuda|xpu|REQUIREMENT] [-NoAutostart] [-RemoveModels]
#
# -DryRun        show what would be done, and do nothing
# -Yes           ask nothing: install the model that -Model names, remove no models
# -Model         offer this model's download: big-lama (the default), anime-manga-big-lama, none
# -Torch         auto (the default), cpu, cuda, xpu; or a requirement, such as torch==2.9.1, that is taken from
#                pip's own configuration
# -NoAutostart   do not have Windows start the server at logon
# -RemoveModels  with uninstall: remove downloaded models without asking
#
# No administrator rights are needed or used.
param(
    [ValidateSet('install', 'uninstall')] [string] $Action = 'install',
    [switch] $DryRun,
    [switch] $Yes,
    [string] $Model = 'big-lama',
    [string] $Torch = 'auto',
    [switch] $NoAutostart,
    [switch] $RemoveModels
)
$ErrorActionPreference = 'Stop'
# What is set for another Python must not get into ours.
foreach ($name in 'PYTHONPATH', 'PYTHONHOME', 'PIP_USER', 'PIP_TARGET', 'PIP_PREFIX') {
    Remove-Item "Env:$name" -ErrorAction SilentlyContinue
}
# Names of people and folders are in every script.
$env:PYTHONUTF8 = '1'
[Console]::OutputEncoding = [Text.Encoding]::UTF8

# Where the plug-ins look for the server, too.
$environment = Join-Path $env:LOCALAPPDATA 'Programs\lama-fill'
$python = Join-Path $environment 'Scripts\python.exe'
$command = Join-Path $environment 'Scripts\lama-fill.exe'

function Fail([string] $text) {
    [Console]::Error.WriteLine("install.ps1: $text")
    exit 2
}

# Show a command and run it, unless nothing is to be done. Returns whether it succeeded.
function Invoke-Step([string] $program, [string[]] $words) {
    if ($DryRun) {
        Write-Host "  would run: $program $($words -join ' ')"
        return $true
    }
    & $program @words | Out-Host
    return $LASTEXITCODE -eq 0
}

function Invoke-Needed([string] $program, [string[]] $words) {
    if (-not (Invoke-Step $program $words)) { Fail "`"$program $($words -join ' ')`" failed: see above" }
}

function Remove-Folder([string] $folder) {
    if ($DryRun) { Write-Host "  would remove: $folder" }
    else { Remove-Item -LiteralPath $folder -Recurse -Force }
}

function Uninstall {
    if (-not (Test-Path -LiteralPath $command)) {
        Write-Host "LaMa Fill is not installed in $environment"
        return
    }
    $state = & $python -c 'from lama_core.client.places import state_folder; print(state_folder())'
    $models = & $python -c 'from lama_core.model.installed.registry import models_folder; print(models_folder())'
    $cache = & $python -c 'from lama_core.client.places import cache_folder; print(cache_folder())'
    if ($LASTEXITCODE -ne 0) {
        Fail "what is in $environment does not run any more: run install.ps1, which mends it, then uninstall"
    }
    # What cannot be taken back now could not be taken back later, without the command.
    Invoke-Needed $command @('plugins', 'remove')
    Invoke-Needed $command @('service', 'uninstall')
    Invoke-Needed $command @('stop')
    foreach ($name in 'launch.json', 'autostart.json', 'server.json', 'port.json', 'server.lock', 'server.log*') {
        Get-ChildItem -Path (Join-Path $state $name) -ErrorAction SilentlyContinue | ForEach-Object {
            if ($DryRun) { Write-Host "  would remove: $_" } else { Remove-Item -LiteralPath $_.FullName }
        }
    }
    Remove-Folder $environment
    $compiled = Join-Path $cache 'fast'
    if (Test-Path -LiteralPath $compiled) { Remove-Folder $compiled }
    if (Test-Path -LiteralPath $models) {
        $gone = $RemoveModels
        if (-not $gone -and -not $Yes -and -not $DryRun) {
            $gone = (Read-Host "Remove the downloaded models in $models too? [y/N]") -match '^[yY]'
        }
        if ($gone) { Remove-Folder $models } else { Write-Host "Kept: the models in $models" }
    }
    foreach ($folder in $cache, $state, (Split-Path $models)) {
        $there = Test-Path -LiteralPath $folder
        if ($there -and -not (Get-ChildItem -LiteralPath $folder -Force)) { Remove-Folder $folder }
    }
    if ($DryRun) { Write-Host 'Nothing was done: that was -DryRun.' } else { Write-Host 'LaMa Fill is removed.' }
}

# Gigabytes of CUDA are for machines that can use them: the driver says which build runs.
function Find-Torch {
    $ErrorActionPreference = 'Continue'  # what is written to stderr is no reason to end
    if (Get-Command nvidia-smi -ErrorAction SilentlyContinue) {
        $said = (& nvidia-smi 2>$null) -join "`n"
        if ($said -match 'CUDA Version:\s*(\d+)\.(\d+)') {
            $major, $minor = [int] $Matches[1], [int] $Matches[2]
            if ($major -ge 13) { return 'cu130' }
            if ($major -eq 12 -and $minor -ge 8) { return 'cu128' }
            if ($major -eq 12 -and $minor -ge 6) { return 'cu126' }
        }
    }
    return 'cpu'
}

function Find-Python {
    $ErrorActionPreference = 'Continue'
    foreach ($version in '3.13', '3.12', '3.11', '3.10') {
        if (Get-Command py -ErrorAction SilentlyContinue) {
            $found = & py "-$version" -c 'import sys; print(sys.executable)' 2>$null
            if ($LASTEXITCODE -eq 0) { return $found }
        }
    }
    if (Get-Command python -ErrorAction SilentlyContinue) {
        $found = & python -c 'import sys; print(sys.executable if sys.version_info >= (3, 10) else str())' 2>$null
        if ($LASTEXITCODE -eq 0 -and $found) { return $found }
    }
    Fail 'no Python 3.10 or newer was found: install one from python.org or the Microsoft Store, or install uv'
}

if ($Action -eq 'uninstall') {
    Uninstall
    exit 0
}

switch ($Torch) {
    'auto' { $build = Find-Torch }
    'cuda' { $build = Find-Torch; if ($build -eq 'cpu') { $build = 'cu126' } }
    { $_ -in 'cpu', 'xpu' } { $build = $Torch }
    default { $build = '' }
}
if ($build) {
    $torchWords = @('--index-url', "https://download.pytorch.org/whl/$build", 'torch>=2.4')
} else {
    $torchWords = @($Torch)
}

Write-Host "LaMa Fill goes to $environment"
Write-Host "torch: $($torchWords[-1]) $build"
$uv = [bool] (Get-Command uv -ErrorAction SilentlyContinue)
if (Test-Path -LiteralPath $python) {
    Write-Host 'There is an installation: it is upgraded.'
    # A program that runs cannot be replaced.
    if (Test-Path -LiteralPath $command) { Invoke-Needed $command @('stop') }
} elseif ($uv) {
    Invoke-Needed 'uv' @('venv', '--seed', '--python', '>=3.10', $environment)
} else {
    Invoke-Needed (Find-Python) @('-m', 'venv', $environment)
}

# Returns whether it succeeded.
function Invoke-Pip([string[]] $words) {
    if ($uv) { return Invoke-Step 'uv' (@('pip', 'install', '--quiet', '--python', $python) + $words) }
    return Invoke-Step $python (@('-m', 'pip', 'install', '--quiet', '--disable-pip-version-check') + $words)
}

function Install-Package([string[]] $words) {
    if (-not (Invoke-Pip $words)) { Fail "`"pip install $($words -join ' ')`" failed: see above" }
}

Write-Host 'Installing torch: this can take some minutes.'
$ownTorch = 'torch could not be installed: name one that your package index has, such as -Torch "torch>=2.4", ' +
    'and the index by PIP_INDEX_URL (with uv: UV_DEFAULT_INDEX)'
if (-not (Invoke-Pip $torchWords)) {
    if (-not $build) { Fail $ownTorch }
    # A firewall, a mirror of PyPI alone, or no such build for this Python.
    Write-Host "Not from $($torchWords[1]): trying the package index that pip is set up with."
    if (-not (Invoke-Pip @($torchWords[-1]))) { Fail $ownTorch }
}
# Whatever comes next must not bring another one.
$pinned = Join-Path $environment 'torch.txt'
if (-not $DryRun) {
    $code = "from importlib.metadata import version; print('torch==' + version('torch'))"
    & $python -c $code | Out-File -Encoding ascii $pinned
}

$wheel = Get-ChildItem -Path (Join-Path $PSScriptRoot 'lama_fill-*.whl') -ErrorAction SilentlyContinue |
    Select-Object -Last 1
$parent = Split-Path $PSScriptRoot
if ($wheel) { $project = $wheel.FullName }
elseif (Test-Path -LiteralPath (Join-Path $parent 'pyproject.toml')) { $project = $parent }
else { Fail 'neither a wheel is beside install.ps1, nor the project around it: unpack the whole release' }
Write-Host "Installing LaMa Fill from $project"
if ($uv) {
    Install-Package @('--reinstall-package', 'lama-fill', '--constraint', $pinned, $project)
} else {
    Install-Package @('--constraint', $pinned, $project)
    # pip takes a wheel of the same version for the one that is there.
    if ($wheel) { Install-Package @('--force-reinstall', '--no-deps', $project) }
}

# Kernels for the processor, of which pip takes those that fit. Without them fills take longer.
if (Get-ChildItem -Path (Join-Path $PSScriptRoot 'lama_fill_kernels-*.whl') -ErrorAction SilentlyContinue) {
    $only = @('--force-reinstall', '--no-deps', '--no-index', '--only-binary', ':all:')
    if (-not (Invoke-Pip ($only + @('--find-links', $PSScriptRoot, 'lama-fill-kernels')))) {
        Write-Host 'There are no kernels for this machine: fills on the processor will take longer than they could.'
    }
}

$archives = $PSScriptRoot
if (-not (Get-ChildItem -Path (Join-Path $archives 'lama-fill-*-*.zip') -ErrorAction SilentlyContinue)) {
    $archives = Join-Path $environment 'plugins'
    Install-Package @('babel')
    Invoke-Needed $python @((Join-Path $PSScriptRoot 'build_plugins.py'), '--out', $archives)
}
Invoke-Needed $command @('plugins', 'install', $archives)

if ($Model -ne 'none') {
    $there = $false
    if (-not $DryRun) {
        $there = [bool] ((& $command models list --json | ConvertFrom-Json) | Where-Object { $_.name -eq $Model })
    }
    if ($there) { Write-Host "The model $Model is installed already." }
    else {
        # Asked here, because what a program asks is held back until its line ends.
        Invoke-Needed $command @('models', 'download', '--show', $Model)
        $agreed = $Yes -or $DryRun -or ((Read-Host 'Download it? [y/N]') -match '^[yY]')
        $got = $agreed -and (Invoke-Step $command @('models', 'download', '--yes', $Model))
        if (-not $got) { Write-Host 'Without it, the model that ships is used.' }
    }
}
if (-not $NoAutostart -and -not (Invoke-Step $command @('service', 'install'))) {
    Write-Host 'The editors start the server themselves.'
}
if (-not (Invoke-Step $command @('doctor'))) {
    Fail 'not everything works: see above for what to do; what was installed stays'
}
if ($DryRun) {
    Write-Host 'Nothing was done: that was -DryRun.'
    exit 0
}
Write-Host 'Done. In GIMP: Filters > LaMa Fill. In Krita: Settings > Dockers > LaMa Fill.'
