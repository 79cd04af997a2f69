import Glibc
import Primitives
import Store

/// Runs a node until it is told to end. Returns the exit status.
package func runServer(_ configuration: Configuration) -> Int32 {
    Log.configure(format: configuration.logFormat)
    let signals = [SIGTERM, SIGINT, SIGHUP]
    var set = sigset_t()
    sigemptyset(&set)
    for signal in signals { sigaddset(&set, signal) }
    // Blocked before any thread is started, so that they come to this one alone.
    pthread_sigmask(SIG_BLOCK, &set, nil)
    let node: Node
    do { node = try Node(configuration) } catch {
        Log.write(.error, "start-failed", ["reason": .string("\(error)")])
        return isConfigurationFault(error) ? ExitStatus.wrongConfiguration : ExitStatus.failed
    }
    announce(node)
    var watch = Watch()
    while true {
        var pause = timespec(tv_sec: 1, tv_nsec: 0)
        switch sigtimedwait(&set, nil, &pause) {
        case SIGHUP: Log.write(.info, "reload", ["reloaded": "nothing", "reason": "every key needs a restart"])
        case SIGTERM, SIGINT: return stop(node)
        default:
            for line in watch.changes(node.store.figures, damagedAnswers: node.damagedAnswerCount) {
                Log.write(line.level, line.event, ["detail": .string(line.detail)])
            }
        }
    }
}

private func stop(_ node: Node) -> Int32 {
    let configuration = node.configuration
    Log.write(.info, "draining", ["timeout_ms": .init(configuration.drainTimeoutMilliseconds)])
    node.drain()
    Log.write(.info, "stopped")
    return ExitStatus.done
}

/// The store or the secret's file is sound, and not what the configuration says.
private func isConfigurationFault(_ error: any Error) -> Bool {
    switch error {
    case StoreError.otherNode, StoreError.codeSecretDiffers, is SecretFileError: true
    default: false
    }
}

private func announce(_ node: Node) {
    let url = "http://\(node.address)"
    if node.store.didBeginIncarnation {
        Log.write(.warning, "new-incarnation", ["origin": .init(node.store.origin)])
    }
    Log.write(
        .info, "listening",
        [
            "address": .init(node.address), "admin": .string(node.adminAddress?.description ?? "off"),
            "region": .string(node.configuration.region),
            "node": .init(node.configuration.node), "data": .string(node.configuration.data),
            "try": .string(
                !node.configuration.anonymousCreate
                    ? "curl \(url)/health"
                    : "curl -H 'Content-Type: application/json' -d '{\"long_url\":\"https://example.com/\"}' \(url)/api/v1/urls"
            ),
        ])
}

/// LMDB trusts its pages' own structure and may end the process over a damaged one: a finding for who inspects a store.
private func reportStructureOnCrash() {
    for number in [SIGSEGV, SIGBUS, SIGABRT] {
        signal(number) { _ in
            let text: StaticString = "problem: the structure of data.mdb's pages is damaged; restore a backup\n"
            _ = write(STDOUT_FILENO, text.utf8Start, text.utf8CodeUnitCount)
            _exit(ExitStatus.failed)
        }
    }
}

/// Checks the store in the directory `data`. Returns the exit status.
package func runVerify(data: String) -> Int32 {
    reportStructureOnCrash()
    do throws(StoreError) {
        let inspection = try StoreInspection(directory: data)
        for problem in inspection.problems { StandardStream.output.write("problem: \(problem)\n") }
        let verdict = inspection.isSound ? "sound" : "\(inspection.problemCount) problems"
        StandardStream.output.write(
            "\(verdict): \(inspection.recordCount) records, \(inspection.entryCount) log entries\n")
        return inspection.isSound ? ExitStatus.done : ExitStatus.failed
    } catch {
        StandardStream.error.write("edge: \(error)\n")
        return ExitStatus.failed
    }
}

/// Prints the live state of the store in the directory `data`. Returns the exit status.
package func runDump(data: String) -> Int32 {
    reportStructureOnCrash()
    var isRead = true
    do throws(StoreError) {
        let damaged = try dumpStore(directory: data, now: Instant(milliseconds: System.wallMilliseconds())) { lines in
            isRead = StandardStream.output.write(lines)
            return isRead
        }
        for code in damaged { StandardStream.error.write("edge: the record of \(code) is damaged and left out\n") }
        return isRead && damaged.isEmpty ? ExitStatus.done : ExitStatus.failed
    } catch {
        StandardStream.error.write("edge: \(error)\n")
        return ExitStatus.failed
    }
}
