// The library's steps in real Groovy, with Jenkins' own steps recorded. Run it from this folder's
// parent: groovy -cp src test/LibraryTest.groovy

/** What Jenkins would have been told to do. */
class Recorder {

    List<String> scripts = []
    List<String> said = []
    Map env = [BUILD_NUMBER: '41', JOB_NAME: 'web-main']
    Map currentBuild = [result: null]
    int code = 0
    String answer = '{}'

    int sh(Map step) {
        assert step.returnStatus : 'an exit code is read, not thrown'
        scripts.add(step.script)
        return code
    }

    String readFile(String name) {
        assert scripts.last().endsWith(" > ${name}") : 'what was written is read'
        return answer
    }

    void echo(String words) {
        said.add("echo ${words}".toString())
    }

    void unstable(String words) {
        currentBuild.result = 'UNSTABLE'
        said.add("unstable ${words}".toString())
    }

    void error(String words) {
        said.add("error ${words}".toString())
        throw new IllegalStateException(words)
    }

}

/** A step as Jenkins makes one: the script of `vars/`, with Jenkins behind it. */
Script step(String name, Recorder jenkins) {
    Script script = new GroovyShell(this.class.classLoader).parse(new File("vars/${name}.groovy"))
    script.binding = new Binding(env: jenkins.env, currentBuild: jenkins.currentBuild)
    script.metaClass.sh = { Map given -> jenkins.sh(given) }
    script.metaClass.readFile = { String given -> jenkins.readFile(given) }
    script.metaClass.echo = { String given -> jenkins.echo(given) }
    script.metaClass.unstable = { String given -> jenkins.unstable(given) }
    script.metaClass.error = { String given -> jenkins.error(given) }
    return script
}

String ended(Closure body) {
    try {
        body()
        return 'goes on'
    } catch (IllegalStateException stopped) {
        return 'stops'
    }
}

int checked = 0
void same(Object found, Object wanted) {
    assert found == wanted
}

// What is typed for people's settings.
Recorder jenkins = new Recorder(answer: '{"release": 17, "outcome": "done"}')
Map made = step('lastgoodPublish', jenkins).call(service: 'web', path: 'dist', until: 'test')
same(jenkins.scripts, ["lastgood 'publish' 'web' 'dist' '--version' '41' '--until' 'test' '--timeout' '30m' " +
    "'--output' 'json' > .lastgood-answer.json"])
same([made.release, made.outcome], [17, 'done'])
same(jenkins.said, ['echo web release 17: done'])
checked++

jenkins = new Recorder()
step('lastgoodPublish', jenkins).call(service: 'web', path: 'a b/web.zip', version: "it's; rm -rf \$HOME", detach: true)
same(jenkins.scripts, ["lastgood 'publish' 'web' 'a b/web.zip' '--version' 'it'\\''s; rm -rf \$HOME' '--detach' " +
    "'--output' 'json' > .lastgood-answer.json"])
checked++

jenkins = new Recorder()
step('lastgoodWait', jenkins).call(service: 'shop', until: 'test', timeout: '10m')
step('lastgoodWait', jenkins).call(service: 'shop', until: 'production', release: 17)
same(jenkins.scripts, [
    "lastgood 'wait' 'shop' '--until' 'test' '--version' '41' '--timeout' '10m' '--output' 'json' > .lastgood-answer.json",
    "lastgood 'wait' 'shop' '--until' 'production' '--release' '17' '--timeout' '30m' '--output' 'json' " +
        '> .lastgood-answer.json',
])
checked++

// What becomes of the build, for every exit code that is promised and one that is not.
Map becomes = [
    0  : [null, 'goes on', 'echo shop: done'],
    1  : [null, 'stops', 'error shop: failed'],
    2  : [null, 'stops', 'error shop: usage'],
    3  : [null, 'stops', 'error shop: rolled back'],
    4  : [null, 'stops', 'error shop: not allowed'],
    5  : [null, 'goes on', 'echo shop: waits for a person'],
    6  : ['ABORTED', 'stops', 'error shop: superseded'],
    7  : [null, 'stops', 'error shop: differs'],
    8  : ['UNSTABLE', 'goes on', 'unstable shop: unobserved'],
    130: ['ABORTED', 'stops', 'error shop: interrupted'],
    137: [null, 'stops', 'error shop: failed'],
]
becomes.each { int code, List wanted ->
    jenkins = new Recorder(code: code, answer: '')
    String end = ended { step('lastgoodWait', jenkins).call(service: 'shop', until: 'test') }
    same([jenkins.currentBuild.result, end, jenkins.said.last()], wanted)
    checked++
}

// What cannot be read is no answer, and hides no verdict.
jenkins = new Recorder(code: 3, answer: '[]')
ended { step('lastgoodWait', jenkins).call(service: 'shop', until: 'test') }
same(jenkins.said, ['error shop: rolled back'])
checked++

// What is left out is said.
['lastgoodPublish', 'lastgoodWait'].each { String name ->
    try {
        step(name, new Recorder()).call([:])
        assert false : 'a service is needed'
    } catch (IllegalArgumentException refused) {
        same(refused.message, 'lastgood: service is needed')
        checked++
    }
    assert new File("vars/${name}.txt").text.contains("${name}(service:") : 'its help has an example'
}

println "${checked} checks"
