package io.lastgood

import groovy.json.JsonSlurperClassic

/** Runs the command line and makes of its exit code what becomes of a build. */
class Lastgood implements Serializable {

    private static final long serialVersionUID = 1L

    /** What the exit codes of `lastgood` mean; `lastgood --help` promises them. */
    static final Map<Integer, String> OUTCOMES = [
        0  : 'done',
        1  : 'failed',
        2  : 'usage',
        3  : 'rolled_back',
        4  : 'not_allowed',
        5  : 'waits',
        6  : 'superseded',
        7  : 'differs',
        8  : 'unobserved',
        130: 'interrupted',
    ].asImmutable()

    /** What becomes of the build. A code that nobody promised is a failure. */
    static final Map<String, String> RESULTS = [
        done       : 'SUCCESS',
        waits      : 'SUCCESS',
        unobserved : 'UNSTABLE',
        superseded : 'ABORTED',
        interrupted: 'ABORTED',
    ].asImmutable()

    private final Object steps

    /** @param steps the pipeline script, whose steps are used: sh, readFile, echo, unstable, error */
    Lastgood(Object steps) {
        this.steps = steps
    }

    /** A setting that may not be left out. */
    static String needed(Map settings, String name) {
        Object value = settings[name]
        if (!value) {
            throw new IllegalArgumentException("lastgood: ${name} is needed")
        }
        return value.toString()
    }

    /** A word as a POSIX shell takes it, whatever is in it. */
    static String quoted(String word) {
        return "'" + word.replace("'", "'\\''") + "'"
    }

    /** Runs it in the workspace. Its talk goes to the build's log, its answer is kept as a file. */
    Map run(List<String> words) {
        List<String> quoted = []
        for (String word : words + ['--output', 'json']) {
            quoted.add(Lastgood.quoted(word))
        }
        String answer = '.lastgood-answer.json'
        String script = 'lastgood ' + quoted.join(' ') + ' > ' + answer
        int code = steps.sh(label: 'lastgood ' + words[0] + ' ' + words[1], script: script, returnStatus: true) as int
        String outcome = OUTCOMES[code] ?: 'failed'
        Object told = read(steps.readFile(answer) as String)
        Map made = [release: told?.release, outcome: outcome, answer: told]
        conclude(RESULTS[outcome] ?: 'FAILURE', sentence(words[1], made))
        return made
    }

    private static Object read(String text) {
        if (!text?.trim()) {
            return null
        }
        Object told = new JsonSlurperClassic().parseText(text)
        return told instanceof Map ? told : null
    }

    private static String sentence(String service, Map made) {
        String release = made.release ? " release ${made.release}" : ''
        String outcome = made.outcome == 'waits' ? 'waits for a person' : made.outcome.replace('_', ' ')
        return "${service}${release}: ${outcome}".toString()
    }

    private void conclude(String result, String words) {
        if (result == 'SUCCESS') {
            steps.echo(words)
        } else if (result == 'UNSTABLE') {
            steps.unstable(words)
        } else {
            // A result only ever gets worse, and ABORTED is worse than the FAILURE that error() sets.
            if (result == 'ABORTED') {
                steps.currentBuild.result = 'ABORTED'
            }
            steps.error(words)
        }
    }

}
