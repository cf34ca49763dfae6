//! The launchd job. launchd has neither a watchdog nor rules by exit code: a state that needs a human stays
//! resident (--stay), and a stalled desk ends the process itself (DESK_STALL_ABORT).

use super::MARK;
use super::place::Place;

/// The job for a place; that of a machine runs as `user`, for launchd would run it as root.
pub(super) fn job(place: &Place, program: &str, user: &str) -> String {
    // No option is named in a comment: XML allows no two hyphens there.
    let scope = if place.system { "for the machine" } else { "for its user" };
    let (program, config, state) = (escaped(program), escaped(&place.config), escaped(&place.state.to_string_lossy()));
    let user = if place.system {
        format!("    <key>UserName</key>\n    <string>{}</string>\n", escaped(user))
    } else {
        String::new()
    };
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<!-- {MARK}, launchd, {scope}. -->
<plist version="1.0">
<dict>
    <key>Label</key>
    <string>robo-trader</string>
{user}    <key>ProgramArguments</key>
    <array>
        <string>{program}</string>
        <string>run</string>
        <!-- What needs a human (exit codes 2, 3, 4) stays resident and says so, instead of being started again. -->
        <string>--stay</string>
    </array>
    <!-- robo-trader.toml and .env are read from the working directory. -->
    <key>WorkingDirectory</key>
    <string>{config}</string>
    <key>EnvironmentVariables</key>
    <dict>
        <key>STATE_DIR</key>
        <string>{state}</string>
        <key>LOG_FILE</key>
        <string>{state}/robo-trader.log</string>
        <!-- Seconds after which a stalled desk ends its process. -->
        <key>DESK_STALL_ABORT</key>
        <string>180</string>
    </dict>
    <key>StandardErrorPath</key>
    <string>{state}/launchd.err</string>
    <key>StandardOutPath</key>
    <string>{state}/launchd.out</string>
    <key>RunAtLoad</key>
    <true/>
    <key>KeepAlive</key>
    <dict>
        <key>SuccessfulExit</key>
        <false/>
    </dict>
    <key>ThrottleInterval</key>
    <integer>10</integer>
    <!-- Longer than SHUTDOWN_GRACE. -->
    <key>ExitTimeOut</key>
    <integer>30</integer>
    <key>ProcessType</key>
    <string>Interactive</string>
    <key>Umask</key>
    <integer>63</integer>
</dict>
</plist>
"#
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use quick_xml::Reader;
    use quick_xml::events::Event;

    use super::super::place::{Kind, Place};

    #[test]
    fn the_job_is_well_formed_whatever_the_path_is_called() {
        for system in [true, false] {
            let place = Place::of(Kind::Launchd, system).unwrap();
            let text = super::job(&place, "/opt/R&D <1>/robo-trader", "somebody");
            assert_eq!(text.contains("<string>somebody</string>"), system, "never as root");
            let mut reader = Reader::from_str(&text);
            let (mut open, mut keys, mut values) = (Vec::new(), 0, 0);
            loop {
                match reader.read_event().unwrap() {
                    Event::Start(start) => {
                        let name = format!("{:?}", start.name());
                        if open.last().is_some_and(|parent: &String| parent.contains("dict")) {
                            if name.contains("key") { keys += 1 } else { values += 1 }
                        }
                        open.push(name);
                    }
                    Event::Empty(_) => values += usize::from(open.last().unwrap().contains("dict")),
                    Event::End(_) => drop(open.pop().unwrap()),
                    Event::Eof => break,
                    _ => {}
                }
            }
            assert!(open.is_empty() && keys > 10);
            assert_eq!(keys, values, "every key of a dict has one value");
            // XML allows no two hyphens within a comment.
            for comment in text.split("<!--").skip(1) {
                assert!(!comment.split("-->").next().unwrap().contains("--"), "{comment}");
            }
        }
    }
}
