"""Files for annotation tools, so that a person can put right what the model drew: YOLO-seg, COCO and labelme."""
