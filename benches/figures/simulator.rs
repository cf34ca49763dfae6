//! What the simulator sustains, so that it is not what is measured elsewhere.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::Form;
use super::live::name;
use super::page::{Outcome, number, table};
use super::wire;
use super::world::{World, config};

/// The current time, asked for.
const TIME: i32 = 49;

/// Counts frames by their headers until the end of the stream.
fn count(mut stream: TcpStream, frames: &AtomicU64, bytes: &AtomicU64) {
    let (mut chunk, mut left, mut head) = (vec![0; 1 << 16], 0_usize, Vec::new());
    while let Ok(read @ 1..) = stream.read(&mut chunk) {
        bytes.fetch_add(read as u64, Ordering::Relaxed);
        let mut rest = &chunk[..read];
        while !rest.is_empty() {
            if left > 0 {
                let skipped = left.min(rest.len());
                (left, rest) = (left - skipped, &rest[skipped..]);
                continue;
            }
            head.push(rest[0]);
            rest = &rest[1..];
            if let Ok(length) = <[u8; 4]>::try_from(&head[..]) {
                left = u32::from_be_bytes(length) as usize;
                head.clear();
                frames.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// Frames of bars and megabytes a second to so many clients of so many symbols each, at a speed that it cannot keep.
fn streams(clients: usize, symbols: usize, time: Duration) -> (f64, f64) {
    let world = World::untapped(config(1_000_000.0));
    let (frames, bytes) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let readers: Vec<_> = (0..clients)
        .map(|client| {
            let mut stream = wire::connected(world.address, i32::try_from(client).unwrap() + 1);
            for symbol in 0..symbols {
                let request = wire::BarsRequest {
                    req_id: i32::try_from(symbol).unwrap() + 1,
                    contract: Some(wire::Contract::stock(&name(symbol))),
                    size: "5 secs".to_owned(),
                    duration: "60 S".to_owned(),
                    show: "TRADES".to_owned(),
                    format_date: 2,
                    keep_up_to_date: true,
                };
                stream.write_all(&wire::frame(wire::HISTORICAL_DATA_REQUEST, &request)).unwrap();
            }
            let (frames, bytes) = (Arc::clone(&frames), Arc::clone(&bytes));
            std::thread::spawn(move || count(stream, &frames, &bytes))
        })
        .collect();
    std::thread::sleep(Duration::from_secs(1));
    let (began, before) = (Instant::now(), (frames.load(Ordering::Relaxed), bytes.load(Ordering::Relaxed)));
    std::thread::sleep(time);
    let seconds = began.elapsed().as_secs_f64();
    let after = (frames.load(Ordering::Relaxed), bytes.load(Ordering::Relaxed));
    world.stop();
    readers.into_iter().for_each(|reader| reader.join().unwrap());
    ((after.0 - before.0) as f64 / seconds, (after.1 - before.1) as f64 / 1e6 / seconds)
}

/// Questions a second that it answers one client, each asked after the answer to the one before.
pub fn questions(time: Duration) -> f64 {
    let world = World::untapped(config(1.0));
    let mut stream = wire::connected(world.address, 1);
    let frame = wire::frame(TIME, &wire::Number { number: 0 });
    let (began, mut answered, mut length) = (Instant::now(), 0_u64, [0; 4]);
    while began.elapsed() < time {
        stream.write_all(&frame).unwrap();
        loop {
            stream.read_exact(&mut length).unwrap();
            let mut body = vec![0; u32::from_be_bytes(length) as usize];
            stream.read_exact(&mut body).unwrap();
            if body[..4] == (TIME + 200).to_be_bytes() {
                break;
            }
        }
        answered += 1;
    }
    world.stop();
    answered as f64 / time.as_secs_f64()
}

pub fn measure(form: Form) -> Outcome {
    let time = form.seconds(1, 4, 30);
    let mut rows = Vec::new();
    for (clients, symbols) in [(1, 1), (1, 100), (8, 100), (32, 100)] {
        let (frames, megabytes) = streams(clients, symbols, time);
        rows.push(vec![clients.to_string(), symbols.to_string(), number(frames), number(megabytes)]);
        println!("{}", rows.last().unwrap().join("  "));
    }
    let text = format!(
        "Frames of bars to clients that only read, the market as fast as it goes (the clients are threads of the bench's \
         process, on the same cores); 32 clients are what TWS, and so the simulator, serves at a time.\n\n{}\n\
         One client that asks for the time again and again is answered {} times a second.",
        table(&["clients", "symbols each", "frames/s", "MB/s"], &rows),
        number(questions(time)),
    );
    Outcome { text, targets: Vec::new(), plots: Vec::new() }
}
