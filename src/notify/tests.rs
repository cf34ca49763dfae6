//! Which notices leave the house, and what arrives elsewhere.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::*;

fn notice(kind: &str, level: Level, text: &str) -> Notice {
    Notice { kind: kind.into(), symbol: None, level, text: text.into(), at: None, planned: false, lasts: None }
}

/// Rules and a clock of minutes.
struct Story {
    rules: Rules,
    start: Instant,
}

impl Story {
    fn new(policy: Policy) -> Self {
        Self { rules: Rules::new(policy), start: Instant::now() }
    }

    fn at(&self, minute: u64) -> Instant {
        self.start + Duration::from_secs(60 * minute)
    }

    fn take(&mut self, minute: u64, notice: Notice) -> Vec<String> {
        let now = self.at(minute);
        self.rules.take(notice, now).into_iter().map(|message| message.text).collect()
    }

    fn due(&mut self, minute: u64) -> Vec<String> {
        let now = self.at(minute);
        self.rules.due(now).into_iter().map(|message| message.text).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn equal_notices_are_held_back_and_counted() {
    let mut story = Story::new(Policy::default());
    let down = |text: &str| notice("incident.farm_down", Level::Warning, text);
    assert_eq!(story.take(0, down("first")), ["first"]);
    assert!(story.take(1, down("second")).is_empty() && story.take(4, down("third")).is_empty());
    assert_eq!(story.take(4, notice("incident.api_down", Level::Warning, "other")), ["other"], "another kind");
    assert_eq!(story.rules.next(), Some(story.at(5)));
    assert_eq!(story.due(5), ["third (the last of 2 since the one before)"]);
    assert!(story.rules.next().is_none() && story.take(6, down("fourth")).is_empty(), "that was one, too");
    assert_eq!(story.due(10), ["fourth (the last of 1 since the one before)"]);
    assert_eq!(story.take(15, down("fifth")), ["fifth"]);
    assert!(story.take(16, down("sixth")).is_empty());
    let last: Vec<String> = story.rules.last().into_iter().map(|message| message.text).collect();
    assert_eq!(last, ["sixth (the last of 1 since the one before)"], "nothing is kept at the end");
}

#[tokio::test(start_paused = true)]
async fn what_needs_a_human_is_told_again_until_it_ends_or_is_acknowledged() {
    let mut story = Story::new(Policy::default());
    let begins = |key: &str| Notice {
        lasts: Some(Lasting::Begins(format!("lock account {key}"))),
        ..notice(&format!("lock.{key}"), Level::Critical, key)
    };
    let ends =
        Notice { lasts: Some(Lasting::Ends("lock account ".into())), ..notice("lock.cleared", Level::Info, "go") };
    assert_eq!(story.take(0, begins("cash")), ["cash"]);
    let again = "cash (still so; robo-trader notify ack silences it)";
    assert!(story.due(59).is_empty());
    assert_eq!((story.due(60), story.due(120)), (vec![again.to_owned()], vec![again.to_owned()]));
    story.rules.acknowledge();
    assert!(story.due(500).is_empty(), "somebody has said that they know");
    assert_eq!(story.take(501, ends.clone()), ["go"], "the end of it is told, though it is only good to know");
    assert!(story.take(520, ends).is_empty(), "nothing had begun");
    assert!(story.due(1_000).is_empty());
    // What no later fact ends stands until somebody has looked, and anew where it happens again.
    let missing = |text: &str| Notice {
        lasts: Some(Lasting::Until("incident stop_missing".to_owned())),
        ..notice("incident.stop_missing", Level::Critical, text)
    };
    assert_eq!(story.take(1_000, missing("stop")), ["stop"]);
    assert_eq!(story.due(1_060), ["stop (still so; robo-trader notify ack silences it)"]);
    story.rules.acknowledge();
    assert!(story.due(2_000).is_empty());
    assert_eq!(story.take(2_000, missing("again")), ["again"]);
    assert_eq!(story.due(2_060), ["again (still so; robo-trader notify ack silences it)"]);
}

#[tokio::test(start_paused = true)]
async fn rules_change_levels_and_planned_outages_are_mute() {
    let list = rules("fill=warning/0, incident.farm_*=off, incident.api_down=critical").unwrap();
    let mut story = Story::new(Policy { rules: list, ..Policy::default() });
    assert_eq!(story.take(0, notice("fill", Level::Info, "bought")), ["bought"]);
    assert_eq!(story.take(0, notice("fill", Level::Info, "sold")), ["sold"], "no throttle");
    assert!(story.take(0, notice("incident.farm_down", Level::Critical, "x")).is_empty());
    let planned = |kind: &str| Notice { planned: true, ..notice(kind, Level::Warning, "in a window") };
    assert!(story.take(0, planned("incident.link_down")).is_empty());
    assert_eq!(story.take(0, planned("incident.api_down")), ["in a window"], "critical is never mute");
    for bad in ["fill", "=off", "fill=loud", "fill=off/x", "fill=info/-1"] {
        let error = rules(bad).unwrap_err().to_string();
        assert!(error.contains(bad) && error.contains("KIND=LEVEL"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_only_good_to_know_comes_as_a_digest() {
    let digest = Some(Duration::from_secs(600));
    let mut story = Story::new(Policy { digest, ..Policy::default() });
    for number in 0..25 {
        assert!(story.take(1, notice("fill", Level::Info, &format!("fill {number}"))).is_empty());
    }
    assert_eq!(story.rules.next(), Some(story.at(11)));
    let told = story.due(11);
    let lines: Vec<&str> = told[0].lines().collect();
    assert_eq!((told.len(), lines.len(), lines[0], lines[20]), (1, 21, "fill 0 (fill)", "and 5 more"));
    assert!(story.due(30).is_empty());
    let mut without = Story::new(Policy::default());
    assert!(without.take(0, notice("fill", Level::Info, "x")).is_empty() && without.rules.next().is_none());
}

/// A server that answers each request with the next code, and hands out what it was sent.
fn server(codes: &'static [u16]) -> (SocketAddr, Receiver<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sent, received) = sync_channel(16);
    std::thread::spawn(move || {
        for code in codes {
            let (stream, _) = listener.accept().unwrap();
            answer(stream, *code, &sent);
        }
    });
    (address, received)
}

fn answer(mut stream: std::net::TcpStream, code: u16, sent: &SyncSender<(String, String)>) {
    let mut bytes = Vec::new();
    let mut part = [0; 4_096];
    let (head, body) = loop {
        let read = stream.read(&mut part).unwrap();
        bytes.extend_from_slice(&part[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
        if body.len() >= length.parse().unwrap() {
            break (head, body.to_owned());
        }
    };
    stream
        .write_all(format!("HTTP/1.1 {code} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").as_bytes())
        .unwrap();
    sent.send((head, body)).unwrap();
}

async fn play(channels: Vec<Channel>, notices: Vec<Notice>) -> Vec<String> {
    let (notifier, inbox) = queue();
    notices.into_iter().for_each(|notice| notifier.tell(notice));
    let stop = CancellationToken::new();
    let (failed, mut failures) = tokio::sync::mpsc::channel(16);
    let failing = move |name: &str, error: &PostError| failed.try_send(format!("{name}: {error}")).unwrap();
    let rules = Rules::new(Policy::default());
    drop(notifier);
    run(inbox, rules, channels, stop, failing).await;
    let mut told = Vec::new();
    while let Some(failure) = failures.recv().await {
        told.push(failure);
    }
    told
}

#[tokio::test]
async fn every_channel_is_written_to_as_it_reads() {
    let (address, posts) = server(&[200; 5]);
    let url = |path: &str| format!("http://{address}/{path}");
    let token = "1:abc".to_owned();
    let channels = vec![
        Channel::new("webhook", &url("hook")).unwrap(),
        Channel::new("slack", &url("slack")).unwrap(),
        Channel::new("discord", &url("discord")).unwrap(),
        Channel::new("ntfy", &url("topic")).unwrap(),
        Channel::Telegram { token, chat: "@me".into(), api: url("api") },
    ];
    let notice = Notice {
        symbol: Some("AAA".into()),
        at: Some(MarketTime::from_secs(0)),
        ..notice("incident.stop_missing", Level::Critical, "stop <1> & \"2\" is gone")
    };
    assert!(play(channels, vec![notice]).await.is_empty());
    let mut got: Vec<(String, String)> = posts.iter().collect();
    got.sort();
    let line = "A HUMAN IS NEEDED: AAA: stop <1> & \\\"2\\\" is gone [1970-01-01T00:00:00Z]";
    let body = |path: &str| {
        let begin = format!("post /{path} ");
        got.iter().find(|(head, _)| head.starts_with(&begin)).map(|(_, body)| body.clone()).unwrap()
    };
    let json = |path: &str| serde_json::from_str::<serde_json::Value>(&body(path)).unwrap();
    assert_eq!(json("hook")["level"], "critical");
    assert_eq!((&json("hook")["symbol"], &json("hook")["text"]), (&"AAA".into(), &"stop <1> & \"2\" is gone".into()));
    assert!(body("slack").contains("stop &lt;1&gt; &amp; \\\"2\\\""), "{}", body("slack"));
    assert!(body("discord").contains(line) && body("discord").contains("\"parse\":[]"));
    assert!(body("api/bot1:abc/sendmessage").contains("\"chat_id\":\"@me\""));
    let (head, text) = got.iter().find(|(head, _)| head.starts_with("post /topic ")).unwrap();
    assert!(head.contains("priority: 5") && head.contains("title: robo-trader: incident.stop_missing"), "{head}");
    assert!(text.starts_with("A HUMAN IS NEEDED: AAA:"));
}

#[tokio::test]
async fn a_server_that_stumbles_is_tried_again_and_one_that_refuses_is_told_of_once() {
    let (address, posts) = server(&[503, 200, 404, 404]);
    let channel = Channel::new("webhook", &format!("http://{address}/secret-path")).unwrap();
    let notices = ["a", "b", "c"].map(|kind| notice(kind, Level::Warning, kind)).to_vec();
    let failures = play(vec![channel.clone()], notices).await;
    assert_eq!(failures, ["webhook: the server answered 404; check the address and its token"]);
    let texts: Vec<String> = posts.iter().map(|(_, body)| body).collect();
    assert!(texts[0] == texts[1] && texts[3].contains("1 older notices could not be delivered"), "{texts:?}");
    assert!(!format!("{channel:?}{failures:?}").contains("secret"));
}

#[tokio::test]
async fn nobody_waits_for_a_dead_channel() {
    let (notifier, inbox) = queue();
    // Nobody looks: what does not fit is counted, and telling returns at once.
    for number in 0..QUEUE + 7 {
        notifier.tell(notice("x", Level::Warning, &number.to_string()));
    }
    let lost = || inbox.lost.load(Ordering::Relaxed);
    assert_eq!(lost(), u64::try_from(7 + RESERVED).unwrap());
    // What needs a human has places of its own, and so has that human's word.
    for _ in 1..RESERVED {
        notifier.tell(notice("x", Level::Critical, "a human is needed"));
    }
    notifier.acknowledge();
    assert_eq!(lost(), u64::try_from(7 + RESERVED).unwrap());
}

#[tokio::test]
async fn an_acknowledgement_in_the_queue_keeps_back_no_last_words_and_channels_tell_how_they_are() {
    let (address, posts) = server(&[200, 404]);
    let (notifier, inbox) = queue();
    let rules = Rules::new(Policy::default());
    notifier.acknowledge();
    notifier.tell(notice("process.failed", Level::Critical, "the end"));
    notifier.tell(notice("other", Level::Critical, "refused"));
    let stop = CancellationToken::new();
    stop.cancel();
    let channel = Channel::new("webhook", &format!("http://{address}/x")).unwrap();
    run(inbox, rules, vec![channel], stop, |_, _| {}).await;
    assert!(posts.iter().next().unwrap().1.contains("the end"));
    let channels = notifier.channels();
    let [view] = channels.as_slice() else { panic!("{channels:?}") };
    assert_eq!((view.channel, view.delivered, view.failed, view.waiting), ("webhook", 1, 1, 0));
    assert!(view.failing_for_s.is_some() && view.error.as_ref().is_some_and(|error| error.contains("404")), "{view:?}");
}

#[test]
fn addresses_are_checked() {
    for (kind, text) in [("webhook", "ftp://x"), ("slack", "https://"), ("ntfy", "https://a b"), ("telegram", "12@3")] {
        assert!(Channel::new(kind, text).is_err(), "{kind} {text}");
    }
    assert!(Channel::new("telegram", "12:ab@-100").is_ok());
}

#[test]
fn where_there_is_no_room_what_is_only_good_to_know_goes_first_and_what_needs_a_human_never_before_it() {
    let mut line = Line::new(Channel::new("webhook", "https://x").unwrap());
    let mut keep = |level, text: &str| {
        let message = Message { level, kind: "x".into(), symbol: None, text: text.into(), at: None };
        line.keep(Waiting { message, failed: 0 });
    };
    keep(Level::Critical, "stop missing");
    keep(Level::Warning, "link down");
    keep(Level::Info, "fill 1");
    keep(Level::Info, "fill 2");
    (0..BACKLOG).for_each(|_| keep(Level::Warning, "bars late"));
    let texts: Vec<&str> = line.waiting.iter().map(|waiting| &*waiting.message.text).collect();
    assert_eq!((texts.len(), texts[0]), (BACKLOG, "stop missing"));
    assert!(!texts.iter().any(|text| text.starts_with("fill") || *text == "link down"), "{texts:?}");
    assert_eq!((line.dropped, line.failed), (4, 4));
}

#[tokio::test]
async fn what_needs_a_human_is_put_back_where_no_try_of_it_got_through() {
    let mut lines = [Line::new(Channel::new("webhook", "https://x").unwrap())];
    let ended = |level, failed| {
        let message = Message { level, kind: "x".into(), symbol: None, text: "x".into(), at: None };
        Ok((0, Waiting { message, failed }, Err(PostError::Failed("no network".into()))))
    };
    let mut told = 0;
    let mut failing = |_: &str, _: &PostError| told += 1;
    ended_post(&mut lines, ended(Level::Warning, 0), true, &mut failing);
    assert!(lines[0].waiting.is_empty() && lines[0].rests.is_none());
    ended_post(&mut lines, ended(Level::Critical, 0), true, &mut failing);
    assert_eq!((lines[0].waiting[0].failed, lines[0].failed), (1, 1), "only the other one is lost");
    let mut posts = JoinSet::new();
    hand_out(&mut lines, Vec::new(), Some(Instant::now()), &mut posts);
    assert!(posts.is_empty(), "it rests for a while");
    assert!(lines[0].rests.is_some());
    ended_post(&mut lines, ended(Level::Critical, AGAIN_AT_MOST), true, &mut failing);
    ended_post(&mut lines, ended(Level::Critical, 0), false, &mut failing);
    assert_eq!((lines[0].waiting.len(), lines[0].failed, told), (1, 3, 1), "not for ever, and not at the end");
}
