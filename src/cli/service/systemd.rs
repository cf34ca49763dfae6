//! The systemd unit.

use super::MARK;
use super::place::Place;
use crate::runner::exit;

/// The unit for a place. Seconds of the watchdog: longer than the desk may wait for a journal that a reader holds.
pub(super) fn unit(place: &Place, program: &str) -> String {
    let scope = if place.system { "--system" } else { "--user" };
    let (where_it_lives, target, hardening) =
        if place.system { (SYSTEM, "multi-user.target", HARDENING) } else { (USER, "default.target", "") };
    let rest = [exit::USAGE, exit::HUMAN, exit::JOURNAL].map(|code| code.to_string()).join(" ");
    // In a unit, % begins a specifier, and a space ends a word.
    let program = program.replace('%', "%%");
    let program = if program.contains(' ') { format!("\"{program}\"") } else { program };
    format!(
        "# {MARK} --systemd {scope}.
#
# Exit codes: 0 done; 1 start me again; 2 settings or command line; 3 a human is needed;
# 4 the journal or the ledger. Only 1, a crash, a kill or a stuck desk leads to another start.

[Unit]
Description=robo-trader, a trading daemon for Interactive Brokers
Wants=network-online.target
After=network-online.target time-sync.target
# Code 1 means that another try may succeed, however often.
StartLimitIntervalSec=0

[Service]
# Ready once the first recovery is done: with the gateway down, that takes as long as it is.
Type=notify
NotifyAccess=main
TimeoutStartSec=infinity
# Fed by the desk's own answers: a desk that is stuck for so long is ended and started again.
WatchdogSec=180
{where_it_lives}# Real money: add --confirm-live here, and EXECUTION_MODE=live and IBKR_ACCOUNT to the settings.
ExecStart={program} run

Restart=on-failure
RestartSec=10
RestartPreventExitStatus={rest}
# Longer than SHUTDOWN_GRACE: entries are cancelled and stops made right before the end.
KillSignal=SIGTERM
TimeoutStopSec=30

NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
UMask=0077
{hardening}
[Install]
WantedBy={target}
"
    )
}

const SYSTEM: &str = "DynamicUser=yes
ConfigurationDirectory=robo-trader
# The daemon finds its state by STATE_DIRECTORY, which this sets.
StateDirectory=robo-trader
StateDirectoryMode=0700
LogsDirectory=robo-trader
RuntimeDirectory=robo-trader
# robo-trader.toml is read from the working directory, by the daemon's own user.
WorkingDirectory=%E/robo-trader
# Secrets: NAME=value lines in a file of root's (chmod 600), which systemd itself reads.
EnvironmentFile=-/etc/robo-trader/environment
Environment=LOG_FILE=%L/robo-trader/robo-trader.log
# The lock of a gateway account is taken here.
Environment=XDG_RUNTIME_DIR=%t/robo-trader
";

const USER: &str = "# robo-trader.toml and .env are read from the working directory.
WorkingDirectory=%E/robo-trader
EnvironmentFile=-%E/robo-trader/environment
";

const HARDENING: &str = "PrivateTmp=yes
PrivateDevices=yes
ProtectSystem=strict
ProtectHome=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
CapabilityBoundingSet=
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
";
