import Glibc
import Links
import Primitives
import Store

/// Checks what the machine must have for `configuration`, and prints it. Returns the exit status.
package func runCheck(_ configuration: Configuration) -> Int32 {
    var warnings = configuration.warnings
    do {
        let user = try configuration.processUser()
        let secrets = try NodeSecrets(configuration, user: user?.id)
        let tickets = TicketKeys(nil, region: configuration.region, now: { Instant(milliseconds: 0) })
        if !secrets.tlsPairs.isEmpty {
            warnings += try TLSIdentities(secrets.tlsPairs, tickets).unused.map {
                "\($0): no client is shown this certificate: those before it have its names and type of key"
            }
        }
        // Block lists are read by whoever serves.
        if geteuid() == 0 { try user?.become() }
        for list in try BlockListFiles.read(configuration.blockLists).lists {
            warnings += list.told.map { "\(list.name): line \($0.line): \($0.reason.description)" }
        }
    } catch {
        StandardStream.error.write("edge: \(error)\n")
        return ExitStatus.wrongConfiguration
    }
    for warning in warnings { StandardStream.error.write("edge: warning: \(warning)\n") }
    return StandardStream.output.write(configuration.text) ? ExitStatus.done : ExitStatus.failed
}

/// LMDB trusts its pages' own structure and may end the process over a damaged one: a finding for who inspects a store.
func reportStructureOnCrash() {
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
            "\(verdict): \(inspection.recordCount) records, \(inspection.entryCount) log entries"
                + (inspection.hasIdentity
                    ? "\n" : "; no file `identity`: a backup, or the start of a new incarnation\n"))
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
