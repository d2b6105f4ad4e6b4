-- Version 4: pods whose truths disagree are few: the metrics count them by this index alone.
CREATE INDEX pod_contradiction ON pod (cluster, contradiction) WHERE contradiction != 0;
