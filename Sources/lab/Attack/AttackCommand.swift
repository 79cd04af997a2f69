import Glibc
import Server

/// `lab attack`: what the internet sends, thrown at a node, and what the node answers.
enum AttackCommand {
    static let help = """
        usage: lab attack [--directory DIR]

        Starts the `edge` beside this program and attacks it class by class: requests that two servers could read
        differently, lines in values, destinations inside networks in every spelling, bodies that are hard to read, slow
        clients, floods. Prints what was answered, how often, and ends with 1 if anything was not refused or served as it
        should be, or if an ordinary client was not served between the attacks.

        """

    static func run(_ arguments: [String]) -> Int32 {
        do {
            if arguments == ["help"] || arguments == ["--help"] {
                StandardStream.output.write(help)
                return ExitStatus.done
            }
            let options = try Options(arguments, known: ["directory"])
            Interruption.watch()
            let directory = try WorkDirectory(in: options.text("directory"))
            // Floods meet the limits that a node has unless it is told otherwise; the rest would drown in them.
            let plain = try AttackTarget(directory.appending("plain"), limits: EdgeNode.unlimited)
            let limited = try AttackTarget(directory.appending("limited"), limits: [])
            var table = Table("attacks and answers", ["class", "tried", "answered", "wrong"])
            var wrong: [String] = []
            for attack in Attack.all {
                var report = AttackReport()
                let target = attack.isFlood ? limited : plain
                attack.run(target, &report)
                target.checkService(&report)
                table.add([attack.name, "\(report.tried)", report.answered, "\(report.wrong.count)"])
                wrong += report.wrong.map { "\(attack.name): \($0)" }
            }
            plain.node.stop()
            limited.node.stop()
            StandardStream.output.write(table.text)
            for line in wrong.prefix(50) { StandardStream.output.write("wrong: \(line)\n") }
            return wrong.isEmpty ? ExitStatus.done : ExitStatus.failed
        } catch {
            StandardStream.error.write("lab: \(error)\n")
            return (error as? LabError)?.exitStatus ?? ExitStatus.failed
        }
    }
}

/// The node under attack, with one link that ordinary clients ask for.
struct AttackTarget {
    let node: EdgeNode
    let code: String

    var port: UInt16 { node.port }

    init(_ data: String, limits: [String]) throws {
        node = try EdgeNode(data: data, workers: 2, limits: limits, on: Processors.available)
        let client = try AttackClient(node.port)
        client.send(Request.create("https://example.com/attacked", alias: "attacked"))
        guard client.answers(upTo: 1).first?.status == 201 else { throw LabError("the node makes no links") }
        code = "attacked"
    }

    func connect() throws -> AttackClient { try AttackClient(port) }

    /// An ordinary client is served as if nothing were.
    func checkService(_ report: inout AttackReport) {
        guard let client = try? connect() else { return report.note("nobody is let in any more") }
        client.send(Request.get("/\(code)") + Request.get("/health"))
        let statuses = client.answers(upTo: 2).map(\.status)
        if statuses != [302, 200] { report.note("an ordinary client got \(statuses)") }
    }
}

/// What one class of attacks led to.
struct AttackReport {
    private(set) var tried = 0
    private var statuses: [Int: Int] = [:]
    private var closed = 0
    private(set) var wrong: [String] = []

    /// How often each status was answered, most often first.
    var answered: String {
        var parts = statuses.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { "\($0.key) x\($0.value)" }
        if closed > 0 { parts.append("none x\(closed)") }
        return parts.joined(separator: ", ")
    }

    /// One attempt, the status that it was answered with (nil: none), and whether that is right.
    mutating func add(_ status: Int?, _ isRight: Bool, _ what: @autoclosure () -> String) {
        tried += 1
        if let status { statuses[status, default: 0] += 1 } else { closed += 1 }
        if !isRight { note("\(what()): \(status.map(String.init) ?? "no answer")") }
    }

    mutating func note(_ problem: String) {
        wrong.append(problem.replacing("\r", with: "\\r").replacing("\n", with: "\\n"))
    }
}
