"""k shortest loopless paths of pairs of nodes, by networkx and igraph.

    path_peers.py K NETWORK.json…

Run through path-peers.sh, which provides the libraries. For each network and library one line of JSON: the network's name, the
library and its version, the number of pairs, the median time of a pair in microseconds, and the sum of the lengths of all paths of all
pairs in metres. The pairs are all (a, b) with a before b, or every n-th of them where there are more than MOST_PAIRS.
"""

import itertools
import json
import statistics
import sys
import time

import igraph
import networkx

# Enough for a median; networkx takes some 13 ms for a pair of 754 nodes.
MOST_PAIRS = 3000
# Nodes beyond which only some of the pairs are timed.
MANY_NODES = 150
FEW_PAIRS = 100


def read(path):
    with open(path, encoding="utf-8") as file:
        network = json.load(file)
    index = {node["id"]: number for number, node in enumerate(network["nodes"])}
    # Metres, so that sums are exact.
    links = [(index[link["a"]], index[link["b"]], round(link["length_km"] * 1000)) for link in network["links"]]
    return network["name"], len(index), links


def sampled(nodes):
    pairs = list(itertools.combinations(range(nodes), 2))
    most = FEW_PAIRS if nodes > MANY_NODES else MOST_PAIRS
    return pairs[:: max(1, -(-len(pairs) // most))]


def by_networkx(nodes, links):
    graph = networkx.Graph()
    graph.add_nodes_from(range(nodes))
    graph.add_weighted_edges_from(links)

    def paths(source, target, k):
        found = networkx.shortest_simple_paths(graph, source, target, weight="weight")
        return [networkx.path_weight(graph, path, "weight") for path in itertools.islice(found, k)]

    return paths


def by_igraph(nodes, links):
    graph = igraph.Graph(n=nodes, edges=[(a, b) for a, b, _ in links])
    weights = [metres for _, _, metres in links]

    def paths(source, target, k):
        found = graph.get_k_shortest_paths(source, to=target, k=k, mode="all", weights=weights, output="epath")
        return [sum(weights[edge] for edge in path) for path in found]

    return paths


def main(k, files):
    libraries = (("networkx", networkx.__version__, by_networkx), ("igraph", igraph.__version__, by_igraph))
    for name, nodes, links in map(read, files):
        pairs = sampled(nodes)
        for library, version, prepare in libraries:
            paths = prepare(nodes, links)
            times, total = [], 0
            for source, target in pairs:
                started = time.perf_counter()
                lengths = paths(source, target, k)
                times.append(time.perf_counter() - started)
                total += sum(lengths)
            figures = {"network": name, "library": library, "version": version, "pairs": len(pairs)}
            figures |= {"median_us": round(statistics.median(times) * 1e6, 1), "metres": total}
            print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
