//! What goes over the wire when somebody asks for something, and what becomes of each answer.

use crate::support::{Act, SECRET, Seen, Server, lastgood, told};
use domain::Reason;
use domain::fact::RequestId;
use domain::reason::Verdict;
use hmac::{Hmac, KeyInit as _, Mac as _};
use intake::wire::{Answer, Ask, Command, Failure};
use sha2::{Digest as _, Sha256};

fn answer(verdict: Verdict, reason: Reason) -> String {
    serde_json::to_string(&Answer {
        verdict,
        reason,
        entries: Vec::new(),
    })
    .unwrap()
}

fn said(status: u16, body: String) -> Act {
    Act::Answer(status, "content-type: application/json\r\n", body)
}

fn approve(server: &Server, extra: &[&str]) -> (i32, String, String) {
    let url = format!("http://{}/_url/abc/", server.address);
    let mut args = vec![
        "approve",
        "web",
        "production",
        "17",
        "--yes",
        "--approval-url",
        &url,
    ];
    args.extend(extra);
    told(&lastgood(&args).output().unwrap())
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// The signature as the receiver computes it from what arrived (IAM user guide, "Create a signed
/// AWS API request").
fn signature(seen: &Seen) -> String {
    let authorization = seen.header("authorization");
    let names = authorization
        .split("SignedHeaders=")
        .nth(1)
        .unwrap()
        .split(',')
        .next()
        .unwrap();
    let headers: String = names
        .split(';')
        .map(|name| format!("{name}:{}\n", seen.header(name)))
        .collect();
    let hash = hex::encode(Sha256::digest(&seen.body));
    let canonical = format!(
        "{}\n{}\n\n{headers}\n{names}\n{hash}",
        seen.method, seen.path
    );
    let date = seen.header("x-amz-date");
    let scope = format!("{}/ap-south-1/lambda/aws4_request", &date[..8]);
    let hash = hex::encode(Sha256::digest(canonical.as_bytes()));
    let key = ["ap-south-1", "lambda", "aws4_request"].iter().fold(
        hmac(format!("AWS4{SECRET}").as_bytes(), &date[..8]),
        |key, part| hmac(&key, part),
    );
    hex::encode(hmac(
        &key,
        &format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{hash}"),
    ))
}

#[test]
fn a_request_is_signed_and_keeps_its_id_over_every_try() {
    let server = Server::acting(vec![
        said(503, r#"{"error":"the ledger is unavailable"}"#.into()),
        Act::HangUp,
        said(200, answer(Verdict::Nothing, Reason::ApprovedAlready)),
    ]);
    let (code, out, err) = approve(&server, &["--reason", "looked at it"]);
    assert_eq!((code, &*err), (0, ""));
    assert_eq!(
        out,
        "web: nothing to do: this identity approved it already\n"
    );
    let seen = server.seen();
    assert_eq!(seen.len(), 3);
    for request in &seen {
        assert_eq!(
            (request.method.as_str(), request.path.as_str()),
            ("POST", "/_url/abc/")
        );
        assert_eq!(request.header("host"), server.address);
        let authorization = request.header("authorization");
        assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"));
        assert!(
            authorization.ends_with(&format!("Signature={}", signature(request))),
            "{request:?}"
        );
        assert_eq!(request.body, seen[0].body);
    }
    let command: Command = serde_json::from_slice(&seen[0].body).unwrap();
    command.check().unwrap();
    let RequestId(id) = &command.id;
    assert_eq!(id.len(), 20);
    assert_eq!(command.service.as_str(), "web");
    let Ask::Approve {
        release, reason, ..
    } = command.ask
    else {
        panic!("an approval")
    };
    assert_eq!((release.0, reason.as_deref()), (17, Some("looked at it")));
}

#[test]
fn two_invocations_have_two_ids() {
    let server = Server::acting(vec![said(
        200,
        answer(Verdict::Nothing, Reason::NothingNew),
    )]);
    approve(&server, &[]);
    approve(&server, &[]);
    let ids: Vec<_> = server
        .seen()
        .iter()
        .map(|seen| seen.json()["id"].clone())
        .collect();
    assert_eq!(ids.len(), 2);
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn each_answer_has_its_exit_code() {
    let rows = [
        (200, answer(Verdict::Nothing, Reason::RequestKnown), 0, 1),
        (409, answer(Verdict::Refused, Reason::NotAnApprover), 4, 1),
        (409, answer(Verdict::Refused, Reason::NoSuchService), 2, 1),
        (
            409,
            answer(
                Verdict::Refused,
                Reason::NotWaiting {
                    instead: Some(domain::ReleaseNumber(18)),
                },
            ),
            6,
            1,
        ),
        (
            403,
            r#"{"Message":"Forbidden. For troubleshooting …"}"#.into(),
            4,
            1,
        ),
        (400, r#"{"error":"a reason is needed"}"#.into(), 2, 1),
        (
            500,
            r#"{"error":"the ledger is corrupt: entry 7"}"#.into(),
            1,
            1,
        ),
        (200, "<html>".into(), 8, 1),
        (404, "no such thing".into(), 1, 1),
        (502, r#"{"message":"Internal Server Error"}"#.into(), 8, 4),
    ];
    let mut texts = Vec::new();
    for (status, body, code, tries) in rows {
        let server = Server::acting(vec![said(status, body.clone())]);
        let (exit, out, err) = approve(&server, &[]);
        assert_eq!(
            (exit, server.seen().len()),
            (code, tries),
            "{status} {body}: {err}"
        );
        let id = server.seen()[0].json()["id"].as_str().unwrap().to_owned();
        texts.push(format!("{out}{}", err.replace(&id, "ID")));
    }
    insta::assert_snapshot!(texts.join("\n"));
}

#[test]
fn mistakes_the_function_finds_are_shown_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("web.yaml"),
        "service: web\nartefact: { s3: { bucket: shop } }\nstages:\n  - name: dev\n    account: \"444455556666\"\n    target: { codedeploy: { application: web, group: dev } }\n",
    )
    .unwrap();
    let problem = domain::file::Problem {
        path: "/stages/0/role".into(),
        message: "another account needs a role to assume there".into(),
        hint: Some("name a role".into()),
    };
    let failure = Failure {
        error: "the file has mistakes".into(),
        problems: vec![problem],
    };
    let server = Server::acting(vec![said(400, serde_json::to_string(&failure).unwrap())]);
    let url = format!("http://{}", server.address);
    let mut command = lastgood(&["apply", "web.yaml", "--yes", "--command-url", &url]);
    let (code, out, err) = told(&command.current_dir(folder.path()).output().unwrap());
    assert_eq!((code, &*out), (2, ""));
    insta::assert_snapshot!(err);
    let sent = &server.seen()[0];
    assert_eq!(sent.path, "/");
    assert_eq!(sent.json()["do"], "apply");
    assert_eq!(sent.json()["file"]["stages"][0]["account"], "444455556666");
}

#[test]
fn nobody_there_is_not_a_failed_request() {
    let (code, out, err) = told(
        &lastgood(&["thaw", "web", "--command-url", "http://127.0.0.1:9/"])
            .output()
            .unwrap(),
    );
    assert_eq!((code, &*out), (8, ""));
    assert!(
        err.contains("could not be reached") && err.contains("Connection refused"),
        "{err}"
    );
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_with_130() {
    let server = Server::acting(vec![Act::Silence]);
    let url = format!("http://{}/", server.address);
    let mut child = lastgood(&["thaw", "web", "--command-url", &url])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    while server.seen().is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let killed = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(killed.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn an_upload_carries_its_checksum_and_its_facts() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("appspec.yml"),
        "version: 0.0\nos: linux\n",
    )
    .unwrap();
    let server = Server::acting(vec![
        Act::Answer(404, "", String::new()),
        Act::Answer(200, "x-amz-version-id: v1\r\n", String::new()),
    ]);
    let path = folder.path().to_str().unwrap();
    let mut command = lastgood(&[
        "publish",
        "web",
        path,
        "--bucket",
        "shop",
        "--prefix",
        "web/",
        "--version",
        "1.4.2",
        "--author",
        "José <jose@shop.example>",
        "--build-number",
        "42",
        "--detach",
        "-o",
        "json",
    ]);
    let output = command
        .env("AWS_ENDPOINT_URL", format!("http://{}", server.address))
        .current_dir("/")
        .output()
        .unwrap();
    let (code, out, err) = told(&output);
    assert_eq!((code, &*err), (0, ""));
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&report["key"], &report["version"]),
        (&"web/web-1.4.2.zip".into(), &"v1".into())
    );
    let seen = server.seen();
    assert_eq!(seen[0].method, "HEAD");
    let put = &seen[1];
    assert_eq!(
        (&*put.method, put.path.split('?').next().unwrap()),
        ("PUT", "/shop/web/web-1.4.2.zip")
    );
    assert_eq!(put.header("if-none-match"), "*");
    assert_eq!(put.header("x-amz-meta-version"), "1.4.2");
    assert_eq!(put.header("x-amz-meta-build-number"), "42");
    assert!(put.header("x-amz-meta-author").starts_with("=?UTF-8?B?"));
    assert_eq!(put.header("x-amz-meta-sha256"), report["sha256"]);
    let sha256 = hex::decode(report["sha256"].as_str().unwrap()).unwrap();
    use base64::Engine as _;
    assert_eq!(
        put.header("x-amz-checksum-sha256"),
        base64::engine::general_purpose::STANDARD.encode(sha256)
    );
}

#[test]
fn a_version_is_one_artefact_and_another_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let appspec = folder.path().join("appspec.yml");
    std::fs::write(appspec, "version: 0.0\nos: linux\n").unwrap();
    let other = "x-amz-version-id: v0\r\nx-amz-checksum-sha256: AAAA\r\n";
    let faster = "<Error><Code>PreconditionFailed</Code></Error>".to_owned();
    let there = vec![Act::Answer(200, other, String::new())];
    // Somebody publishes between our look and our upload.
    let raced = vec![
        Act::Answer(404, "", String::new()),
        Act::Answer(412, "content-type: application/xml\r\n", faster),
    ];
    let (another, something) = ("another artefact", "something");
    for (acts, requests, what) in [(there, 1, another), (raced, 2, something)] {
        let server = Server::acting(acts);
        let path = folder.path().to_str().unwrap();
        let mut command = lastgood(&["publish", "web", path, "--bucket", "shop", "--detach"]);
        command
            .args(["--version", "1.4.2"])
            .env("AWS_ENDPOINT_URL", format!("http://{}", server.address))
            .current_dir("/");
        let (code, out, err) = told(&command.output().unwrap());
        assert_eq!((code, &*out), (1, ""), "{err}");
        assert!(err.contains(&format!("{what} was published")), "{err}");
        assert_eq!(server.seen().len(), requests);
    }
}
