//! Debian's docker-registry for a test: started on a free port, ended with the test, and pushed to
//! as `docker push` does.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The variable that names the registry's executable.
const EXECUTABLE: &str = "LASTGOOD_REGISTRY";
/// How often it is looked whether it listens, a tenth of a second apart.
const TRIES: u32 = 300;
/// Who may pull from a registry that asks.
pub(crate) const USER: (&str, &str) = ("lastgood", "open sesame");
/// The same as htpasswd writes it; the registry takes bcrypt only.
const HTPASSWD: &str = "lastgood:$2y$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy\n";

/// Whether a registry asks who somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Open,
    Locked,
}

pub(crate) struct Registry {
    child: Child,
    _folder: tempfile::TempDir,
    door: Door,
    /// `127.0.0.1:port`.
    pub(crate) host: String,
    http: reqwest::Client,
}

impl Registry {
    /// Starts one; `None`, and a line that says so, when nobody named an executable.
    pub(crate) async fn start(door: Door) -> Option<Self> {
        let Some(executable) = std::env::var_os(EXECUTABLE) else {
            #[expect(clippy::print_stdout, reason = "a skipped test has to be seen")]
            {
                println!("skipped: {EXECUTABLE} names no docker-registry");
            }
            return None;
        };
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let host = format!("127.0.0.1:{port}");
        let folder = tempfile::tempdir().unwrap();
        let passwords = folder.path().join("htpasswd");
        std::fs::write(&passwords, HTPASSWD).unwrap();
        let mut config = json!({
            "version": 0.1,
            "log": { "level": "error", "accesslog": { "disabled": true } },
            "storage": {
                "filesystem": { "rootdirectory": folder.path() },
                "delete": { "enabled": true },
            },
            "http": { "addr": host },
        });
        if door == Door::Locked {
            config["auth"] = json!({ "htpasswd": { "realm": "test", "path": passwords } });
        }
        // JSON is YAML.
        let file = folder.path().join("config.yml");
        std::fs::write(&file, config.to_string()).unwrap();
        let child = Command::new(executable)
            .arg("serve")
            .arg(&file)
            .current_dir(folder.path())
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let registry = Self {
            child,
            _folder: folder,
            door,
            host,
            http: reqwest::Client::new(),
        };
        for _ in 0..TRIES {
            if tokio::net::TcpStream::connect(("127.0.0.1", port))
                .await
                .is_ok()
            {
                return Some(registry);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the registry did not start");
    }

    fn with_user(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match self.door {
            Door::Open => request,
            Door::Locked => request.basic_auth(USER.0, Some(USER.1)),
        }
    }

    fn address(&self, path: &str) -> String {
        format!("http://{}/v2/{path}", self.host)
    }

    async fn blob(&self, repository: &str, bytes: &[u8]) -> String {
        let begin = self
            .http
            .post(self.address(&format!("{repository}/blobs/uploads/")));
        let begun = self.with_user(begin).send().await.unwrap();
        assert_eq!(begun.status(), 202);
        let place = begun.headers()["location"].to_str().unwrap();
        let mark = if place.contains('?') { '&' } else { '?' };
        let end = self
            .http
            .put(format!("{place}{mark}digest={}", digest(bytes)));
        let ended = self
            .with_user(end)
            .body(bytes.to_vec())
            .send()
            .await
            .unwrap();
        assert_eq!(ended.status(), 201);
        digest(bytes)
    }

    /// Pushes a manifest and answers with its digest.
    pub(crate) async fn manifest(&self, repository: &str, tag: &str, manifest: &Value) -> String {
        let text = manifest.to_string();
        let put = self
            .http
            .put(self.address(&format!("{repository}/manifests/{tag}")));
        let kind = manifest["mediaType"].as_str().unwrap().to_owned();
        let put = self
            .with_user(put)
            .header("content-type", kind)
            .body(text.clone());
        assert_eq!(put.send().await.unwrap().status(), 201);
        digest(text.as_bytes())
    }

    /// Pushes an image with labels and answers with its digest.
    pub(crate) async fn image(&self, repository: &str, tag: &str, labels: &Value) -> String {
        let config =
            json!({ "architecture": "arm64", "os": "linux", "config": { "Labels": labels } });
        let config = config.to_string();
        let layer = self.blob(repository, b"a layer").await;
        let digest = self.blob(repository, config.as_bytes()).await;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": digest, "size": config.len(),
            },
            "layers": [{
                "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer, "size": 7,
            }],
        });
        self.manifest(repository, tag, &manifest).await
    }

    /// Deletes what has a digest.
    pub(crate) async fn delete(&self, repository: &str, digest: &str) {
        let delete = self
            .http
            .delete(self.address(&format!("{repository}/manifests/{digest}")));
        assert_eq!(self.with_user(delete).send().await.unwrap().status(), 202);
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}
