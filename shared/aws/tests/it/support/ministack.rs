//! A MiniStack of its own for a test file: started on a free port, ended with the test.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The variable that names MiniStack's executable.
const EXECUTABLE: &str = "LASTGOOD_MINISTACK";
/// How long it may take to start.
const TRIES: u32 = 150;

pub(crate) struct MiniStack {
    child: Child,
    _folder: tempfile::TempDir,
    pub(crate) endpoint: String,
}

impl MiniStack {
    /// Starts one; `None`, and a line that says so, when nobody named an executable.
    pub(crate) async fn start() -> Option<Self> {
        let Some(executable) = std::env::var_os(EXECUTABLE) else {
            #[expect(clippy::print_stdout, reason = "a skipped test has to be seen")]
            {
                println!("skipped: {EXECUTABLE} names no MiniStack");
            }
            return None;
        };
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let folder = tempfile::tempdir().unwrap();
        let child = Command::new(executable)
            .current_dir(folder.path())
            .env("GATEWAY_PORT", port.to_string())
            .env("BIND_HOST", "127.0.0.1")
            .env("MINISTACK_ACCOUNT_ID", super::ACCOUNT)
            .env("MINISTACK_REGION", super::REGION)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stack = Self {
            child,
            _folder: folder,
            endpoint: format!("http://127.0.0.1:{port}"),
        };
        for _ in 0..TRIES {
            if tokio::net::TcpStream::connect(("127.0.0.1", port))
                .await
                .is_ok()
            {
                return Some(stack);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("MiniStack did not start");
    }
}

impl Drop for MiniStack {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
