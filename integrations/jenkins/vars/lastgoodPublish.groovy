// Uploads a build as a release of a service. Help: lastgoodPublish.txt.
import io.lastgood.Lastgood

/**
 * @param settings service and path (needed); version, until, timeout, detach: see the help
 * @return release, outcome and the whole answer of `lastgood publish`
 */
Map call(Map settings) {
    List<String> words = ['publish', Lastgood.needed(settings, 'service'), Lastgood.needed(settings, 'path')]
    // Job, build number, URL, branch and commit are read by lastgood from Jenkins' own variables.
    words.addAll(['--version', (settings.version ?: env.BUILD_NUMBER).toString()])
    if (settings.detach) {
        words.add('--detach')
    } else if (settings.until) {
        words.addAll(['--until', settings.until.toString(), '--timeout', (settings.timeout ?: '30m').toString()])
    }
    return new Lastgood(this).run(words)
}
