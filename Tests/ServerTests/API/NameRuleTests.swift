import Links
import Primitives
import Server
import Testing

struct NameRuleTests {
    private static let open = HostAddress.ipv4(0x5db8_d822)
    private static let inside = HostAddress.ipv4(0x0a00_0001)
    private static let insideIPv6 = HostAddress.ipv6(0xfd00 << 112 | 1)

    @Test(
        arguments: [
            (NameLookup.Outcome.addresses([open]), .admitted, .admitted), (.addresses([inside]), .refused, .refused),
            (.addresses([open, inside]), .refused, .refused), (.addresses([open, insideIPv6]), .refused, .refused),
            (.addresses([.ipv6(0xffff_7f00_0001)]), .refused, .refused), (.absent, .admitted, .refused),
            (.unknown, .admitted, .unknown),
        ] as [(NameLookup.Outcome, NameRule.Verdict, NameRule.Verdict)])
    func outcomes(_ outcome: NameLookup.Outcome, lenient: NameRule.Verdict, strict: NameRule.Verdict) async throws {
        for (isStrict, expected) in [(false, lenient), (true, strict)] {
            let lookup = NameLookup(timeoutMilliseconds: 60_000) { name in
                #expect(name == "host.example")
                return outcome
            }
            let rule = NameRule(lookup, try DestinationPolicy(), isStrict: isStrict)
            let verdict = await withCheckedContinuation { done in
                rule.judge("host.example") { done.resume(returning: $0) }
            }
            #expect(verdict == expected)
        }
    }

    /// A resolver that hangs: whoever waits is answered at the deadline, and whoever comes while all threads hang and
    /// the queue is full at once.
    @Test func hangingResolver() async {
        let gate = WaitingQueue<Never>(capacity: 1)
        let lookup = NameLookup(timeoutMilliseconds: 100) { _ in
            _ = gate.take(atMost: 1, timeoutMilliseconds: 60_000)
            return .addresses([Self.open])
        }
        let count = NameLookup.threads + NameLookup.waitingLookups + 10
        let outcomes = await withTaskGroup(of: NameLookup.Outcome.self) { group in
            for _ in 0..<count {
                group.addTask {
                    await withCheckedContinuation { done in lookup.look(up: "a.example") { done.resume(returning: $0) }
                    }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(outcomes == [NameLookup.Outcome](repeating: .unknown, count: count))
        gate.close()
    }

    /// The system's resolver, asked for what it can tell without DNS; and for a name that nobody has (RFC 6761).
    @Test func system() {
        #expect(NameLookup.outcome(of: "93.184.216.34") == .addresses([Self.open]))
        #expect(NameLookup.outcome(of: "fd00::1") == .addresses([Self.insideIPv6]))
        #expect([.absent, .unknown].contains(NameLookup.askSystem("nobody.invalid")))
    }
}
