/// What `edge cluster` shall do, and where.
package struct ClusterCommand: Equatable, Sendable {
    package static let defaultDays = 825
    package static let days = 1...CertificateAuthority.days

    package enum Action: Equatable, Sendable {
        case initialise(cluster: String)
        /// `renews`: a certificate that is there is replaced.
        case issue(region: String, node: Int, days: Int, renews: Bool)
    }

    package let action: Action
    package let directory: String
}

extension Command {
    static func parseCluster(_ arguments: ArraySlice<String>) throws(UsageError) -> Command {
        var reader = ArgumentReader(command: .cluster, rest: arguments)
        let usage = { (problem: String) in UsageError(command: .cluster, problem: problem) }
        var (operands, options, renews) = ([String](), [String: String](), false)
        while let argument = reader.next() {
            switch argument {
            case .option("help", _): return .help(.cluster)
            case .option("renew", let value):
                guard value == nil, !renews else { throw usage("--renew stands alone, and once") }
                renews = true
            case .option(let name, let value):
                guard ["cluster", "days", "server"].contains(name) else { throw reader.unknown(name) }
                guard options[name] == nil else { throw usage("--\(name) is given twice") }
                options[name] = try reader.value(of: name, value)
            case .operand(let text): operands.append(text)
            }
        }
        let wanted = "init, issue, retire, release, alone or regions is wanted"
        guard let verb = operands.first else { throw usage(wanted) }
        guard ["init", "issue", "retire", "release", "alone", "regions"].contains(verb) else {
            throw usage("unknown command \(quoted(verb)); \(wanted)")
        }
        guard ["init", "issue"].contains(verb) else {
            guard options.keys.allSatisfy({ $0 == "server" }), !renews else {
                throw usage("\(verb) takes --server alone")
            }
            let server = try reader.server(options["server"] ?? "http://127.0.0.1:9180")
            return .peerOrder(try order(verb, operands.dropFirst()), server)
        }
        guard options["server"] == nil else { throw usage("--server is for retire, release, alone and regions") }
        guard operands.count > 1, !operands[1].isEmpty else { throw usage("no DIRECTORY") }
        let action =
            verb == "init"
            ? try initialisation(operands.dropFirst(2), options, renews)
            : try issue(operands.dropFirst(2), options, renews)
        return .cluster(ClusterCommand(action: action, directory: operands[1]))
    }

    private static func initialisation(
        _ operands: ArraySlice<String>, _ options: [String: String], _ renews: Bool
    ) throws(UsageError) -> ClusterCommand.Action {
        let usage = { (problem: String) in UsageError(command: .cluster, problem: problem) }
        if let more = operands.first { throw usage("one DIRECTORY; \(quoted(more)) is a second one") }
        if renews || options["days"] != nil { throw usage("--days and --renew are for issue") }
        do throws(BadValue) {
            return .initialise(
                cluster: try ValueSyntax<String>.clusterName.read(options["cluster"] ?? Configuration().cluster))
        } catch {
            throw usage("--cluster: \(error.problem); \(error.remedy)")
        }
    }

    private static func order(_ verb: String, _ operands: ArraySlice<String>) throws(UsageError) -> PeerOrder {
        if verb == "alone" {
            if let more = operands.first {
                throw UsageError(command: .cluster, problem: "alone names nobody; \(quoted(more)) is too much")
            }
            return .alone
        }
        if verb == "regions" { return try regions(operands) }
        let (region, node) = try nodeName(operands)
        return verb == "retire" ? .retire(region: region, node: node) : .release(region: region, node: node)
    }

    private static func regions(_ operands: ArraySlice<String>) throws(UsageError) -> PeerOrder {
        let usage = { (problem: String) in UsageError(command: .cluster, problem: problem) }
        guard let word = operands.first else { return .regions }
        if word == "vouch" {
            if let more = operands.dropFirst().first { throw usage("vouch names nobody; \(quoted(more)) is too much") }
            return .vouch
        }
        guard let action = AcceptorAction(rawValue: word) else {
            throw usage("unknown change \(quoted(word)); add, remove, move, dead or vouch is wanted")
        }
        let (region, node) = try nodeName(operands.dropFirst())
        return .region(action, region: region, node: node)
    }

    private static func nodeName(
        _ operands: ArraySlice<String>
    ) throws(UsageError) -> (region: String, node: Int) {
        let usage = { (problem: String) in UsageError(command: .cluster, problem: problem) }
        guard let name = operands.first else { throw usage("whose? REGION/NODE is wanted, such as eu/0") }
        if let more = operands.dropFirst().first { throw usage("one REGION/NODE; \(quoted(more)) is a second one") }
        let parts = name.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, let region = try? ValueSyntax<String>.regionName.read(parts[0]),
            let node = try? ValueSyntax<Int>.integer(ConfigurationLimits.nodes).read(parts[1])
        else { throw usage("\(quoted(name)) is not REGION/NODE, such as eu/0; nodes are 0 to 15") }
        return (region, node)
    }

    private static func issue(
        _ operands: ArraySlice<String>, _ options: [String: String], _ renews: Bool
    ) throws(UsageError) -> ClusterCommand.Action {
        let usage = { (problem: String) in UsageError(command: .cluster, problem: problem) }
        let (region, node) = try nodeName(operands)
        guard options["cluster"] == nil else { throw usage("--cluster is for init; ca.pem names the cluster") }
        let range = ClusterCommand.days
        guard let days = try? ValueSyntax<Int>.integer(range).read(options["days"] ?? "\(ClusterCommand.defaultDays)")
        else { throw usage("--days takes a number from \(range.lowerBound) to \(range.upperBound)") }
        return .issue(region: region, node: node, days: days, renews: renews)
    }
}
