/// What `strace -f` wrote, as far as counting one thread's calls needs it: `TID name(arguments) = result` a line, in two
/// halves where another thread's came between.
package struct SystemCallTrace {
    package struct Call: Equatable {
        package let name: String
        package fileprivate(set) var text: String

        /// What stands behind the last `=`; nil if it did not return.
        package var result: Int? {
            guard let place = text.ranges(of: " = ").last else { return nil }
            return Int(text[place.upperBound...].prefix { $0 == "-" || $0.isNumber })
        }
    }

    /// In the order in which they began.
    package private(set) var calls: [Call] = []
    /// Whether the process of the trace has ended.
    package private(set) var isWhole = false

    /// Of the thread `thread` of the process `process`.
    package init(_ text: String, process: Int32, thread: Int32) {
        for line in text.split(separator: "\n") {
            guard let space = line.firstIndex(of: " "), let own = Int32(line[..<space]) else { continue }
            let rest = line[space...].drop { $0 == " " }
            if own == process, rest.hasPrefix("+++") { isWhole = true }
            guard own == thread else { continue }
            if rest.hasPrefix("<... ") {
                if !calls.isEmpty { calls[calls.count - 1].text += rest }
            } else if let end = rest.firstIndex(of: "("), !rest.hasPrefix("---"), !rest.hasPrefix("+++") {
                calls.append(Call(name: String(rest[..<end]), text: String(rest)))
            }
        }
    }

    /// The calls between the answer to the first request for `mark` and the reading of the second one; nil if there are
    /// no two.
    package func between(_ mark: String) -> ArraySlice<Call>? {
        let places = calls.indices.filter { calls[$0].name.hasPrefix("re") && calls[$0].text.contains(mark) }
        guard places.count == 2, let answer = calls[places[0]...].firstIndex(where: { $0.name == "sendto" }) else {
            return nil
        }
        return calls[(answer + 1)..<places[1]]
    }
}

/// System calls of a worker, by what they are for.
package struct SystemCallCounts: Equatable {
    package var reads = 0, writes = 0
    /// Waits for events that brought some; those that only ended count as nothing, since time alone brings them.
    package var waits = 0
    package var others: [String: Int] = [:]

    package init(_ calls: ArraySlice<SystemCallTrace.Call>) {
        for call in calls {
            switch call.name {
            case "read", "recvfrom": reads += 1
            case "write", "sendto": writes += 1
            case "epoll_wait", "epoll_pwait": if call.result != 0 { waits += 1 }
            // Faults are asked for twice a second, whatever else is done.
            case "getrusage": break
            default: others[call.name, default: 0] += 1
            }
        }
    }

    package var otherCount: Int { others.values.reduce(0, +) }
}
