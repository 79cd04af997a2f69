import Foundation
import Primitives
import Synchronization

/// Links that many connections create at once: some with an alias, a title, tags or an expiry, some so long that the
/// store gives them pages of their own.
struct Load: Sendable {
    /// Tells this load's aliases and destinations from others'.
    var name: String
    var connections = 4
    var linksPerConnection: Int
    /// Of a hundred.
    var longPercent = 10
    var seed: UInt64 = 1

    struct Outcome: Sendable {
        /// Code to destination.
        var created: [String: String] = [:]
        /// Answers other than 201, by status.
        var refused: [Int: Int] = [:]
        /// The code member of problems.
        var problems: Set<String> = []
        /// Destinations that nobody answered for, and their aliases.
        var unanswered: [String: String?] = [:]
    }

    private final class Shared: Sendable { let value = Mutex(Outcome()) }

    /// Ends when all are made, or as soon as the node no longer answers.
    func run(port: UInt16) -> Outcome {
        let outcome = Shared()
        onThreads(connections) { index in
            var random = SeededRandom(seed: seed &* 1000 &+ UInt64(index))
            guard let client = Client(port: port) else { return }
            for number in 0..<linksPerConnection {
                let link = link("\(index)-\(number)", &random)
                guard let answer = client.create(link.json) else {
                    return outcome.value.withLock { $0.unanswered[link.destination] = .some(link.alias) }
                }
                outcome.value.withLock { $0.note(answer, link.destination) }
            }
        }
        return outcome.value.withLock { $0 }
    }

    /// A thread for each, however few cores there are, and back when all are done.
    private func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
        let threads = (0..<count).map { index in SystemThread("load-\(index)") { body(index) } }
        for thread in threads { thread.join() }
    }

    private func link(
        _ suffix: String, _ random: inout SeededRandom
    ) -> (json: String, alias: String?, destination: String) {
        var destination = "https://example.com/\(name)/\(suffix)"
        if Int.random(in: 0..<100, using: &random) < longPercent {
            destination += "?" + String(repeating: "x", count: 2040 - destination.utf8.count)
        }
        var json = "{\"long_url\":\"\(destination)\""
        let alias = Int.random(in: 0..<3, using: &random) == 0 ? "a-\(name)-\(suffix)" : nil
        if let alias { json += ",\"custom_alias\":\"\(alias)\"" }
        if Int.random(in: 0..<4, using: &random) == 0 { json += ",\"title\":\"Title of \(suffix)\"" }
        if Int.random(in: 0..<5, using: &random) == 0 { json += ",\"tags\":[\"a\",\"\(name)\"]" }
        if Int.random(in: 0..<6, using: &random) == 0 { json += ",\"expires_in\":86400" }
        return (json + "}", alias, destination)
    }
}

extension Load.Outcome {
    mutating func note(_ answer: Client.Answer, _ destination: String) {
        if answer.status == 201, let code = answer.member("short_code") {
            created[code] = destination
        } else {
            refused[answer.status, default: 0] += 1
            if let problem = answer.member("code") { problems.insert(problem) }
        }
    }
}
