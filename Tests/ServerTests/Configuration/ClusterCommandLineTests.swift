import Server
import Testing

@Suite struct ClusterCommandLineTests {
    @Test(
        arguments: [
            ("init d", .initialise(cluster: "default")), ("--cluster prod init d", .initialise(cluster: "prod")),
            ("issue d eu/0", .issue(region: "eu", node: 0, days: 825, renews: false)),
            ("issue --renew d eu-1/15 --days=1", .issue(region: "eu-1", node: 15, days: 1, renews: true)),
            ("issue d eu/0 --days 3650", .issue(region: "eu", node: 0, days: 3650, renews: false)),
        ] as [(String, ClusterCommand.Action)])
    func parsed(line: String, action: ClusterCommand.Action) throws {
        guard case .cluster(let command) = try Command.parse(["cluster"] + line.split(separator: " ").map(String.init))
        else { throw HarnessError("another command") }
        #expect(command.directory == "d" && command.action == action)
    }

    @Test(
        arguments: [
            ("retire eu/0", .retire(region: "eu", node: 0), "127.0.0.1:9180"),
            ("release ap-1/15 --server http://h:1", .release(region: "ap-1", node: 15), "h:1"),
            ("alone", .alone, "127.0.0.1:9180"), ("regions", .regions, "127.0.0.1:9180"),
            ("regions vouch --server http://h:1", .vouch, "h:1"),
            ("regions add eu/0", .region(.add, region: "eu", node: 0), "127.0.0.1:9180"),
            ("regions remove eu/1", .region(.remove, region: "eu", node: 1), "127.0.0.1:9180"),
            ("regions move eu/3", .region(.move, region: "eu", node: 3), "127.0.0.1:9180"),
            ("regions dead eu/3", .region(.dead, region: "eu", node: 3), "127.0.0.1:9180"),
        ] as [(String, PeerOrder, String)])
    func orders(line: String, order: PeerOrder, server: String) throws {
        guard
            case .peerOrder(order, let told) = try Command.parse(
                ["cluster"] + line.split(separator: " ").map(String.init))
        else { throw HarnessError("another command") }
        #expect("\(told)" == server)
    }

    @Test(
        arguments: [
            ("", "init, issue, retire, release, alone or regions is wanted"),
            ("make d", "unknown command \"make\"; init, issue, retire, release, alone or regions is wanted"),
            ("retire", "whose? REGION/NODE is wanted, such as eu/0"),
            ("release eu/0 us/0", "one REGION/NODE; \"us/0\" is a second one"),
            ("alone eu/0", "alone names nobody; \"eu/0\" is too much"),
            ("regions eat eu/0", "unknown change \"eat\"; add, remove, move, dead or vouch is wanted"),
            ("regions add", "whose? REGION/NODE is wanted, such as eu/0"),
            ("regions vouch eu/0", "vouch names nobody; \"eu/0\" is too much"),
            ("retire eu/0 --days 1", "retire takes --server alone"),
            ("init d --server http://a:1", "--server is for retire, release, alone and regions"),
            ("init", "no DIRECTORY"), ("issue", "no DIRECTORY"), ("init a b", "one DIRECTORY; \"b\" is a second one"),
            (
                "init d --cluster a/b",
                "--cluster: \"a/b\" is not a name; write 1 to 64 letters, digits, '.', '_' and '-', such as default"
            ),
            ("init d --cluster", "--cluster needs a value"), ("init d --days 1", "--days and --renew are for issue"),
            ("init d --renew", "--days and --renew are for issue"),
            ("issue d", "whose? REGION/NODE is wanted, such as eu/0"),
            ("issue d eu/0 us/0", "one REGION/NODE; \"us/0\" is a second one"),
            ("issue d eu/0 --cluster a", "--cluster is for init; ca.pem names the cluster"),
            ("issue d eu", "\"eu\" is not REGION/NODE, such as eu/0; nodes are 0 to 15"),
            ("issue d eu/16", "\"eu/16\" is not REGION/NODE, such as eu/0; nodes are 0 to 15"),
            ("issue d eu/00", "\"eu/00\" is not REGION/NODE, such as eu/0; nodes are 0 to 15"),
            ("issue d EU/0", "\"EU/0\" is not REGION/NODE, such as eu/0; nodes are 0 to 15"),
            ("issue d ../0", "\"../0\" is not REGION/NODE, such as eu/0; nodes are 0 to 15"),
            ("issue d eu/0/0", "\"eu/0/0\" is not REGION/NODE, such as eu/0; nodes are 0 to 15"),
            ("issue d eu/0 --days 0", "--days takes a number from 1 to 3650"),
            ("issue d eu/0 --days 3651", "--days takes a number from 1 to 3650"),
            ("issue d eu/0 --days 1 --days 2", "--days is given twice"),
            ("issue d eu/0 --renew=yes", "--renew stands alone, and once"),
            ("issue d eu/0 --renew --renew", "--renew stands alone, and once"),
            ("init d --force", "unknown flag --force"),
        ] as [(String, String)])
    func refused(line: String, problem: String) {
        let error = #expect(throws: UsageError.self) {
            try Command.parse(["cluster"] + line.split(separator: " ").map(String.init))
        }
        #expect(error?.problem == problem && error?.command == .cluster)
    }

    @Test(arguments: ["cluster -h", "cluster init --help", "help cluster"]) func help(line: String) throws {
        #expect(try Command.parse(line.split(separator: " ").map(String.init)) == .help(.cluster))
    }
}
