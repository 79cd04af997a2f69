import Server
import Store

/// `edge serve` of a program to come, which reads one more format of log entries: for tests of upgrades.
enum LaterNode {
    /// The command of this program that runs it.
    static let command = "later-node"

    /// Runs the node with the flags of `edge serve`. Returns the exit status.
    static func serve(_ flags: [String]) -> Int32 {
        do {
            guard case .serve(let source) = try Command.parse(["serve"] + flags) else { return ExitStatus.wrongUsage }
            return runServer(source, try source.load(), logFormat: StoreLimits.logFormat + 1)
        } catch {
            StandardStream.error.write("lab: \(error)\n")
            return ExitStatus.failed
        }
    }
}
