// Waits until a release is good on a stage, or will not get there. Help: lastgoodWait.txt.
import io.lastgood.Lastgood

/**
 * @param settings service and until (needed); release or version, timeout: see the help
 * @return release, outcome and the whole answer of `lastgood wait`
 */
Map call(Map settings) {
    List<String> words = ['wait', Lastgood.needed(settings, 'service'), '--until', Lastgood.needed(settings, 'until')]
    if (settings.release) {
        words.addAll(['--release', settings.release.toString()])
    } else {
        words.addAll(['--version', (settings.version ?: env.BUILD_NUMBER).toString()])
    }
    words.addAll(['--timeout', (settings.timeout ?: '30m').toString()])
    return new Lastgood(this).run(words)
}
