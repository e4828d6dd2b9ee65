//! A pseudo-terminal with a size, and what is to be seen on it.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::num::NonZero;
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// How long something may take to be seen, on a machine that does much else.
const SEEN_WITHIN: Duration = Duration::from_secs(60);

fn at_least_one(count: u16) -> NonZero<u16> {
    NonZero::new(count).unwrap()
}

/// A program on a terminal of its own.
pub(crate) struct Terminal {
    screen: Arc<Mutex<vt100::Parser>>,
    child: Child,
}

impl Terminal {
    /// Runs a command with stdout on a terminal of this size.
    pub(crate) fn run(mut command: Command, rows: u16, columns: u16) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&master, size).unwrap();
        let slave = OpenOptions::new()
            .read(true)
            .write(true)
            .open(OsStr::from_bytes(name.as_bytes()))
            .unwrap();
        command
            .env("TERM", "xterm-256color")
            .stdin(Stdio::null())
            .stdout(slave.try_clone().unwrap())
            .stderr(slave);
        let child = command.spawn().unwrap();
        // The command keeps its ends of the terminal; ours would keep it from ever ending.
        drop(command);
        let screen = Arc::new(Mutex::new(vt100::Parser::new(
            at_least_one(rows),
            at_least_one(columns),
            200,
        )));
        let shown = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut master = File::from(master);
            let mut part = [0; 4096];
            // It ends with an error when nobody has the other end any more.
            while let Ok(count @ 1..) = master.read(&mut part) {
                shown.lock().unwrap().process(&part[..count]);
            }
        });
        Self { screen, child }
    }

    /// What is on the screen.
    pub(crate) fn text(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    /// Whether anything on the screen has a colour.
    pub(crate) fn is_coloured(&self) -> bool {
        let formatted = self.screen.lock().unwrap().screen().contents_formatted();
        formatted.contains("[32m")
    }

    /// Waits until all of this is on the screen at once.
    pub(crate) fn shows(&self, all: &[&str]) -> String {
        let begun = Instant::now();
        loop {
            let text = self.text();
            if all.iter().all(|part| text.contains(part)) {
                return text;
            }
            assert!(begun.elapsed() < SEEN_WITHIN, "{all:?} is not on\n{text}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The exit code, once it ends.
    pub(crate) fn ends(&mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap()
    }

    /// The process, to send it a signal.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
