//! What `aws cloudformation package` does to a template: local code becomes uploaded code. Line by
//! line, so that everything else stays as it is written. Pure.

/// The property that names local code.
const CODE: &str = "CodeUri:";

/// The functions whose code is local, in the template's order: the last folder of each `CodeUri`.
pub(super) fn functions(template: &str) -> Vec<String> {
    let mut functions: Vec<String> = Vec::new();
    for function in template.lines().filter_map(local_code) {
        if !functions.iter().any(|known| known == function) {
            functions.push(function.to_owned());
        }
    }
    functions
}

/// The template with every local `CodeUri` replaced by what `uploaded` says of its function.
pub(super) fn packaged(template: &str, uploaded: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(template.len());
    for line in template.split_inclusive('\n') {
        let uri = local_code(line).and_then(&uploaded);
        match (line.find(CODE), uri) {
            (Some(at), Some(uri)) => {
                out.push_str(line.get(..at).unwrap_or_default());
                out.push_str(&format!("{CODE} {uri}\n"));
            }
            (Some(_) | None, _) => out.push_str(line),
        }
    }
    out
}

fn local_code(line: &str) -> Option<&str> {
    let value = line.trim().strip_prefix(CODE)?.trim();
    let is_path = value.contains('/') && !value.contains("://");
    is_path
        .then(|| value.trim_end_matches('/').rsplit('/').next())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = "\
Resources:
  A:
    Properties:
      CodeUri: ../target/lambda/image-pushed/
      # CodeUri: this is a comment
  B:
    Properties:
      CodeUri:   ../target/lambda/command
  C:
    Properties:
      CodeUri: s3://elsewhere/key
";

    #[test]
    fn local_code_is_found() {
        assert_eq!(functions(TEMPLATE), ["image-pushed", "command"]);
        assert_eq!(functions(&TEMPLATE.repeat(2)), ["image-pushed", "command"]);
    }

    #[test]
    fn local_code_is_replaced_and_nothing_else() {
        let packaged = packaged(TEMPLATE, |name| Some(format!("s3://bucket/{name}.zip")));
        let expected = TEMPLATE
            .replace(
                "../target/lambda/image-pushed/",
                "s3://bucket/image-pushed.zip",
            )
            .replace("  ../target/lambda/command", "s3://bucket/command.zip");
        assert_eq!(packaged, expected.replace("CodeUri:s3", "CodeUri: s3"));
        assert_eq!(super::packaged(TEMPLATE, |_| None), TEMPLATE);
    }
}
